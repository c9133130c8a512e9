// What a fresh checkout needs before anything runs: locked dependencies, the pinned Node.js, an up-to-date dist/.
// Plain JavaScript without dependencies, for Node 20 or newer. Progress goes to stderr, one line a step.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const inRoot = (...parts) => join(root, ...parts);

/** The oldest Node.js that runs TypeScript sources as they are, which the demo, the tests and the benches do. */
const OLDEST_RUNTIME = [22, 18];
const LOCK = inRoot('.setup.lock');
/** ms between looks at a lock that another set-up holds. */
const LOCK_POLL_MS = 200;

const say = (text) => process.stderr.write(text);
const readJson = async (file) => JSON.parse(await readFile(file, 'utf8'));
const orUndefined = (promise) => promise.catch(() => undefined);

/** Brings the checkout up to date and resolves with the path of the Node.js to run its tasks on. */
export async function setUp() {
  const [major = 0] = process.versions.node.split('.').map(Number);
  if (major < 20) {
    throw new Error(`this is Node.js ${process.version}; install Node.js 20 or newer (22 is better)`);
  }
  if ((await isInstalled()) && (await isBuilt())) return findRuntime();
  return withLock(async () => {
    if (!(await isInstalled())) await install();
    const runtime = findRuntime();
    if (!(await isBuilt())) await build(runtime);
    return runtime;
  });
}

/** Whether npm's record of node_modules has every locked package that is not optional, at its locked version. */
async function isInstalled() {
  const [wanted, present] = await Promise.all([
    readJson(inRoot('package-lock.json')),
    orUndefined(readJson(inRoot('node_modules', '.package-lock.json'))),
  ]);
  if (!present) return false;
  return Object.entries(wanted.packages).every(
    ([path, entry]) => path === '' || entry.optional || present.packages[path]?.version === entry.version,
  );
}

async function install() {
  // Run by npm, its own command line is known and is used; otherwise the one on the path.
  const npm = process.env.npm_execpath?.endsWith('.js') ? process.env.npm_execpath : undefined;
  const [command, first] = npm ? [process.execPath, [npm]] : ['npm', []];
  const args = [...first, 'ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  await step('Installing the locked dependencies', command, args, {
    hint: 'Check the network and the registry (`npm ping`), then try again; `npm ci` shows all of npm’s output.',
  });
}

/** The Node.js pinned as a dev dependency, or this one where install scripts are off and it is new enough. */
function findRuntime() {
  const pinned = inRoot('node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (spawnSync(pinned, ['--version']).status === 0) return pinned;
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [oldMajor, oldMinor] = OLDEST_RUNTIME;
  if (major > oldMajor || (major === oldMajor && minor >= oldMinor)) return process.execPath;
  throw new Error(
    `the pinned Node.js is not installed (are npm’s install scripts switched off?) and this one, ${process.version}, ` +
      `is older than ${OLDEST_RUNTIME.join('.')}. Run \`npm rebuild node --ignore-scripts=false\`, or use a newer Node.js.`,
  );
}

async function isBuilt() {
  const built = await orUndefined(readFile(inRoot('dist', '.fingerprint'), 'utf8'));
  return built !== undefined && built === (await fingerprint());
}

/** A hash over the names and contents of everything that dist/ is made from. */
async function fingerprint() {
  const hash = createHash('sha256');
  const makers = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'scripts/bundle.ts'];
  const files = [...makers, ...(await buildInputs())];
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(await readFile(inRoot(file)))
      .update('\0');
  return hash.digest('hex');
}

async function buildInputs() {
  const files = [];
  for (const folder of ['src', 'protocols', 'capabilities', 'config']) {
    const entries = await orUndefined(readdir(inRoot(folder), { recursive: true, withFileTypes: true }));
    for (const entry of entries ?? []) {
      const file = join(entry.parentPath ?? entry.path, entry.name);
      if (entry.isFile() && !file.includes('vectors')) files.push(file.slice(root.length + 1));
    }
  }
  return files.sort();
}

/** Builds beside dist/ and renames, so that nobody ever runs half a build. */
async function build(runtime) {
  const fresh = inRoot('dist.new');
  const old = inRoot('dist.old');
  const mark = await fingerprint();
  await rm(fresh, { recursive: true, force: true });
  const tsc = inRoot('node_modules', 'typescript', 'bin', 'tsc');
  await step('Checking the sources', runtime, [tsc, '-p', 'tsconfig.build.json', '--outDir', fresh], {
    hint: 'The sources do not compile.',
  });
  await step('Building', runtime, ['scripts/bundle.ts', fresh], { hint: 'The sources cannot be bundled.' });
  // The bundler writes plain files; a linked `capsule` is run as a program.
  await chmod(join(fresh, 'src', 'cli', 'main.js'), 0o755);
  await writeFile(join(fresh, '.fingerprint'), mark);
  await rm(old, { recursive: true, force: true });
  await orUndefined(rename(inRoot('dist'), old));
  await rename(fresh, inRoot('dist'));
  await rm(old, { recursive: true, force: true });
}

/** Runs a command quietly; its output is shown when it fails. */
async function step(title, command, args, { hint }) {
  say(`${title}… `);
  const started = performance.now();
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output.push(chunk));
  const code = await new Promise((resolve) => {
    child.once('error', (error) => {
      output.push(Buffer.from(`${error.message}\n`));
      resolve(1);
    });
    child.once('close', (status) => resolve(status ?? 1));
  });
  if (code !== 0) {
    say('failed\n');
    say(Buffer.concat(output));
    throw new Error(`${title.toLowerCase()} failed. ${hint}`);
  }
  say(`done in ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
}

/** One set-up at a time for a checkout; the lock of a process that died is taken over. */
async function withLock(work) {
  let waiting = false;
  while (!(await tryLock())) {
    if (!waiting) say('Waiting for another set-up of this checkout to end…\n');
    waiting = true;
    await sleep(LOCK_POLL_MS);
  }
  try {
    return await work();
  } finally {
    await rm(LOCK, { recursive: true, force: true });
  }
}

/** The lock is a folder with one file named after its owner: both ways of getting it are a rename, so one wins. */
async function tryLock() {
  const me = String(process.pid);
  const mine = `${LOCK}.${me}`;
  await mkdir(mine, { recursive: true });
  await writeFile(join(mine, me), '');
  try {
    await rename(mine, LOCK);
    return true;
  } catch {
    await rm(mine, { recursive: true, force: true });
  }
  const [owner] = (await orUndefined(readdir(LOCK))) ?? [];
  if (!owner || isAlive(Number(owner))) return false;
  return rename(join(LOCK, owner), join(LOCK, me)).then(
    () => true,
    () => false,
  );
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
