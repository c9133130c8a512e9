#!/usr/bin/env node
// Runs one task of this checkout, after doing whatever set-up is missing: `node scripts/run.mjs <task> [args…]`.
// Plain JavaScript without dependencies, because it runs first, on whatever Node (20 or newer) is installed.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { root, setUp } from './setup.mjs';

const TASKS = {
  start: ['dist/src/cli/main.js', 'start'],
  capsule: ['dist/src/cli/main.js'],
  demo: ['scripts/demo.ts'],
  test: ['scripts/test.ts'],
  bench: ['test/bench/main.ts'],
  model: ['test/model/main.ts'],
  conformance: ['test/vectors/conformance.ts'],
  simulate: ['test/simulate/main.ts'],
  'simulate-market': ['--expose-gc', 'test/simulate/market/main.ts'],
  format: ['node_modules/@biomejs/biome/bin/biome', 'check', '--write'],
  build: undefined,
};

/** ms between looks at whether npm is still there. */
const ORPHAN_POLL_MS = 500;

/** Resolves with the exit code that this process should end with. */
function run(runtime, args) {
  const path = [dirname(runtime), join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter);
  const child = spawn(runtime, args, { cwd: root, stdio: 'inherit', env: { ...process.env, PATH: path } });
  // A terminal sends Ctrl-C to the child as well; a second one would cut its clean stop short.
  const forward = (signal) => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, forward);
  // npm passes a signal to its shell, which dies and leaves this process behind: notice that, and stop as well.
  const parent = process.ppid;
  const watch =
    process.env.npm_lifecycle_event &&
    setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(watch);
      child.kill('SIGTERM');
    }, ORPHAN_POLL_MS);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      clearInterval(watch);
      resolve(code ?? 128 + (signal ? constants.signals[signal] : 0));
    });
  });
}

const [task = '', ...args] = process.argv.slice(2);
try {
  if (!Object.hasOwn(TASKS, task)) {
    throw new Error(`there is no task "${task}"; tasks are ${Object.keys(TASKS).join(', ')}`);
  }
  const runtime = await setUp();
  const entry = TASKS[task];
  if (entry) process.exitCode = await run(runtime, [...entry, ...args]);
} catch (error) {
  process.stderr.write(`capsule-mesh: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
