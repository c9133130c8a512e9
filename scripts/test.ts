/**
 * Everything that must hold: each check counts as one test, and then all vitest projects. The last line of
 * standard output is `N passed, N failed[, N skipped]`; exits 1 when anything failed or nothing ran.
 * Arguments go to vitest (`npm test -- test/unit/store`), which then runs without the other checks.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const bin = (path: string) => join(root, 'node_modules', path);

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

interface Check {
  name: string;
  /** Undefined where this machine lacks what the check needs. */
  command: readonly string[] | undefined;
  reason?: string;
}

/** The part of vitest's JSON report that is read here. */
interface Report {
  numTotalTests: number;
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  testResults: { status: string; assertionResults: unknown[] }[];
}

function composeCommand(): string[] | undefined {
  for (const command of [['docker', 'compose'], ['docker-compose']]) {
    const [file = '', ...args] = command;
    if (spawnSync(file, [...args, 'version']).status === 0) return command;
  }
  return undefined;
}

function checks(): Check[] {
  const node = process.execPath;
  const script = (name: string, ...args: string[]) => [node, join(root, 'scripts', name), ...args];
  const compose = composeCommand();
  return [
    { name: 'types', command: [node, bin('typescript/bin/tsc'), '-p', 'tsconfig.json'] },
    { name: 'lint', command: [node, bin('@biomejs/biome/bin/biome'), 'ci', '--colors=off'] },
    { name: 'layers', command: script('check-layers.ts') },
    { name: 'generated schemas', command: script('generate-schemas.ts', '--check') },
    { name: 'generated configuration', command: script('generate-config.ts', '--check') },
    {
      name: 'compose file',
      command: compose && [...compose, '-f', join(root, 'docker-compose.yml'), 'config', '-q'],
      reason: 'docker compose is not installed',
    },
  ];
}

/** Resolves with the exit code; `show` gets all output as it comes. */
function run(command: readonly string[], show: (text: string) => void): Promise<number> {
  const [file = '', ...args] = command;
  const child = spawn(file, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.setEncoding('utf8').on('data', show);
  child.stderr.setEncoding('utf8').on('data', show);
  return new Promise((resolve) => {
    child.once('error', (error) => {
      show(`${error.message}\n`);
      resolve(1);
    });
    child.once('close', (code) => resolve(code ?? 1));
  });
}

const print = (text: string) => process.stdout.write(text);

async function runChecks(tally: Tally): Promise<void> {
  for (const { name, command, reason } of checks()) {
    if (command === undefined) {
      tally.skipped++;
      print(`- ${name}: skipped, ${reason}\n`);
      continue;
    }
    let output = '';
    const started = performance.now();
    const code = await run(command, (text) => {
      output += text;
    });
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    if (code === 0) tally.passed++;
    else tally.failed++;
    print(code === 0 ? `✓ ${name} (${seconds} s)\n` : `✗ ${name}\n${output}\n`);
  }
}

async function runVitest(tally: Tally, args: readonly string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'capsule-test-'));
  const file = join(folder, 'report.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  try {
    const code = await run([process.execPath, bin('vitest/vitest.mjs'), 'run', ...reporters, ...args], print);
    const failedBefore = tally.failed;
    if (existsSync(file)) {
      const report = JSON.parse(readFileSync(file, 'utf8')) as Report;
      tally.passed += report.numPassedTests;
      // A file that fails before its first test has no failed test to show for it.
      const broken = report.testResults.filter(
        (r) => r.status === 'failed' && r.assertionResults.length === 0,
      );
      tally.failed += report.numFailedTests + broken.length;
      tally.skipped += report.numPendingTests + report.numTodoTests;
      if (report.numTotalTests === 0) print('✗ no test was run\n');
      if (report.numTotalTests === 0 && broken.length === 0) tally.failed++;
    }
    if (code !== 0 && tally.failed === failedBefore) {
      print('✗ vitest ended with an error outside any test\n');
      tally.failed++;
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const tally: Tally = { passed: 0, failed: 0, skipped: 0 };
const args = process.argv.slice(2);
if (args.length === 0) await runChecks(tally);
await runVitest(tally, args);
const skipped = tally.skipped > 0 ? `, ${tally.skipped} skipped` : '';
process.exitCode = tally.failed > 0 ? 1 : 0;
print(`${tally.passed} passed, ${tally.failed} failed${skipped}\n`);
