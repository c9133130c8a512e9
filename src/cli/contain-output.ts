import type { Logger } from 'pino';

/** What is used of `console`: libraries call these, and a node's standard error holds its log and nothing else. */
const METHODS = ['debug', 'log', 'info', 'warn', 'error', 'trace'] as const;
type Target = Record<(typeof METHODS)[number], (...values: unknown[]) => void>;

/** What is used of `process`. */
export interface WarningSource {
  on(event: 'warning', listener: (warning: Error) => void): unknown;
  off(event: 'warning', listener: (warning: Error) => void): unknown;
}

/**
 * While a node runs, what its libraries print goes to its log, at `trace`: it may quote what users sent and got, such
 * as the half of an answer that a client could not parse. Warnings of Node.js are told. Returns the removal.
 */
export function containOutput(target: Target, source: WarningSource, log: Logger): () => void {
  const own = new Map(METHODS.map((name) => [name, target[name]] as const));
  for (const name of METHODS)
    target[name] = (...values) =>
      log.trace({ text: values.map(String).join(' ') }, 'A library printed something');
  const warn = ({ name, message }: Error): void => log.warn({ warning: name, message }, 'Node.js warns');
  source.on('warning', warn);
  return () => {
    for (const [name, method] of own) target[name] = method;
    source.off('warning', warn);
  };
}
