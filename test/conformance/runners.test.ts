import { loadCode } from '../../src/engine/code-loading.ts';
import { InProcessRunner } from '../../src/engine/runners/in-process.ts';
import { ThreadPool } from '../../src/engine/runners/threads/thread-pool.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../support/database.ts';
import { runnerConformance } from '../support/runner-conformance.ts';

const GRACE_MS = 50;

runnerConformance('in the node’s own process', {
  open: () =>
    new InProcessRunner(async ({ from, codeHash }) =>
      'module' in from ? from.module : loadCode(from, codeHash),
    ),
  isolated: false,
});

runnerConformance('threads', {
  open: () =>
    new ThreadPool({ clock: systemClock, log: silentLog }, { computing: 2, memoryMb: 64, graceMs: GRACE_MS }),
  isolated: true,
  rawMessages: true,
});
