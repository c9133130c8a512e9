import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/*
 * What a page shows of a terminal, run again: the lines of its `console` blocks that begin with `$`, in order, in one empty home
 * directory. What they print is held against what is shown, where ids, times and numbers stand for themselves, and `…` for anything.
 */

const ROOT = join(import.meta.dirname, '../..');
/** `npm start` stays in the foreground; this is the last line of what it says when it is ready. */
const READY = /^stop {2,}/m;
/** A node of a test binds what is free, and meets nobody. */
const ALONE = {
  CAPSULE_NETWORK_LISTEN: '["/ip4/127.0.0.1/tcp/0"]',
  CAPSULE_NETWORK_MDNS: 'false',
  CAPSULE_API_PORT: '0',
};

export interface Shown {
  command: string;
  output: string[];
}

export interface Rerun extends Shown {
  /** The command with the ids that came this time. */
  meant: string;
  printed: string[];
}

/** The commands of a page with what it shows of their output. */
export function shownIn(markdown: string): Shown[] {
  const blocks = markdown.matchAll(/^```console\n(.*?)^```$/gms);
  return [...blocks].flatMap(([, block = '']) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((part) => {
        const [command = '', ...output] = part.replace(/\n+$/, '').split('\n');
        return { command, output };
      }),
  );
}

/** A home directory with a command line in it. */
export class Terminal implements AsyncDisposable {
  readonly #home: string;
  #node: ChildProcess | undefined;

  private constructor(home: string) {
    this.#home = home;
  }

  /** `program` is the command's file. */
  static async open(program: string): Promise<Terminal> {
    const home = await mkdtemp(join(tmpdir(), 'capsule-transcript-'));
    await mkdir(join(home, 'bin'));
    const shim = join(home, 'bin', 'capsule');
    await writeFile(shim, `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`);
    await chmod(shim, 0o755);
    await cp(join(ROOT, 'examples'), join(home, 'examples'), { recursive: true });
    return new Terminal(home);
  }

  /** What a command prints, on both channels in the order in which it came. */
  async run(command: string): Promise<string> {
    const inHome = command
      .replace(/^npm start( -- )?/, 'capsule start ')
      .replace(/^npm run capsule -- /, 'capsule ');
    const child = spawn('bash', ['-c', `${inHome.startsWith('capsule start') ? 'exec ' : ''}${inHome}`], {
      cwd: this.#home,
      env: { PATH: `${join(this.#home, 'bin')}${delimiter}${process.env.PATH}`, HOME: this.#home, ...ALONE },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let printed = '';
    const ended = once(child, 'close');
    const { promise: ready, resolve } = Promise.withResolvers<void>();
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        printed += text;
        if (READY.test(printed)) resolve();
      });
    if (inHome.startsWith('capsule start')) {
      this.#node = child;
      await Promise.race([ready, ended]);
    } else await ended;
    return printed.replaceAll(this.#home, '/home/you');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#node !== undefined && this.#node.exitCode === null) {
      const ended = once(this.#node, 'close');
      this.#node.kill('SIGTERM');
      await ended;
    }
    await rm(this.#home, { recursive: true, force: true });
  }
}

/** Runs them all; gives each with what it printed. Ids that a page shows stand for those that came instead. */
export async function rerun(terminal: Terminal, shown: readonly Shown[]): Promise<Rerun[]> {
  const ids = new Map<string, string>();
  const done: Rerun[] = [];
  for (const { command, output } of shown) {
    const meant = command.replace(/\b[0-9a-f]{8,64}\b/g, (id) => renamed(ids, id));
    const printed = (await terminal.run(meant)).replace(/\n+$/, '').split('\n');
    const came = printed.join('\n').match(ID) ?? [];
    for (const [at, id] of (output.join('\n').match(ID) ?? []).entries()) {
      const instead = came[at];
      if (instead !== undefined && !ids.has(id)) ids.set(id, instead);
    }
    done.push({ command, output, meant, printed });
  }
  return done;
}

const ID = /\b[0-9a-f]{64}\b/g;

/** Also where only its beginning was typed. */
function renamed(ids: ReadonlyMap<string, string>, id: string): string {
  for (const [shown, actual] of ids) if (shown.startsWith(id)) return actual.slice(0, id.length);
  return id;
}

/** Whether what was printed is what is shown, but for what differs each time. */
export function isAsShown({
  output,
  printed,
}: {
  output: readonly string[];
  printed: readonly string[];
}): boolean {
  const pattern = alike(output.join('\n'))
    .split('…')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('[^]*');
  return new RegExp(`^${pattern}$`).test(alike(printed.join('\n')));
}

/** Ids, times, sizes and amounts by what they are; columns are as wide as what stands in them. */
function alike(text: string): string {
  return text
    .replace(/[0-9a-f]{64}/g, 'ID')
    .replace(/12D3KooW\w+/g, 'NODE')
    .replace(/…\w{8}\b/g, 'NODE')
    .replace(/code=[\w-]+/g, 'code=CODE')
    .replace(/[0-9a-f]{16}/g, 'HASH')
    .replace(/\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\dZ?/g, 'TIME')
    .replace(/\d{4}-\d\d-\d\d/g, 'DAY')
    .replace(/\d+(\.\d+)?/g, '0')
    .replace(/[ \t]+/g, ' ')
    .replace(/ $/gm, '');
}
