import type { Logger } from 'pino';
import type { Clock } from '../lib/clock.ts';

/** What is used of `process`. */
export interface FaultSource {
  on(event: 'uncaughtException' | 'unhandledRejection', listener: (error: unknown) => void): unknown;
  off(event: 'uncaughtException' | 'unhandledRejection', listener: (error: unknown) => void): unknown;
}

/** Log lines about such faults within `QUIET_MS`; a peer that can cause one can cause many. */
const LOGGED_MAX = 10;
const QUIET_MS = 60_000;

/**
 * Keeps a running node alive through what a library throws outside of any call, such as in a timer or a microtask:
 * nobody awaits it, and nothing of ours depends on it. It is logged and counted. What a node cannot go on without
 * reports its failure itself (`onFatal` of the store). Returns the removal.
 */
export function containFaults(
  source: FaultSource,
  { log, clock }: { log: Logger; clock: Clock },
): () => void {
  let contained = 0;
  let logged = 0;
  let quietUntil = Number.NEGATIVE_INFINITY;
  const contain = (error: unknown): void => {
    contained++;
    // The log itself may be what failed: its reader has gone.
    if (isBrokenPipe(error)) return;
    const now = clock.monotonic();
    if (now >= quietUntil) {
      logged = 0;
      quietUntil = now + QUIET_MS;
    }
    if (logged++ < LOGGED_MAX)
      log.error({ err: error, contained }, 'A fault outside of any call was contained');
  };
  source.on('uncaughtException', contain);
  source.on('unhandledRejection', contain);
  return () => {
    source.off('uncaughtException', contain);
    source.off('unhandledRejection', contain);
  };
}

function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE';
}
