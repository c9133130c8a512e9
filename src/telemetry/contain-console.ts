import { format } from 'node:util';
import type { Logger } from 'pino';

/** Characters of what was printed. */
const MAX_CHARS = 1_000;
const METHODS = ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const;

/**
 * Takes what a library or a capability prints into the log, at `trace`: it may quote an answer or a payload, and a reader
 * of the log expects JSON lines and nothing else. Returns the removal.
 */
export function containConsole(target: Pick<Console, (typeof METHODS)[number]>, log: Logger): () => void {
  const before = METHODS.map((name) => [name, target[name]] as const);
  const take = (...words: unknown[]): void =>
    log.trace({ printed: format(...words).slice(0, MAX_CHARS) }, 'Something was printed');
  for (const name of METHODS) target[name] = take;
  return () => {
    for (const [name, method] of before) target[name] = method;
  };
}
