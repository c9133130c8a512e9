import type { Logger } from 'pino';

/** What is used of `process`. */
export interface WarningSource {
  listeners(event: 'warning'): unknown[];
  removeAllListeners(event: 'warning'): unknown;
  on(event: 'warning', listener: (warning: Error) => void): unknown;
  off(event: 'warning', listener: (warning: Error) => void): unknown;
}

/**
 * What Node.js warns of goes to the log and no longer to standard error, where a reader of the log expects JSON lines.
 * Returns the removal.
 */
export function containWarnings(source: WarningSource, log: Logger): () => void {
  // Node.js prints them in a listener of its own.
  const before = source.listeners('warning').filter((each) => typeof each === 'function');
  source.removeAllListeners('warning');
  const warn = ({ name, message }: Error): void => log.warn({ warning: name, message }, 'Node.js warns');
  source.on('warning', warn);
  return () => {
    source.off('warning', warn);
    for (const listener of before) source.on('warning', (warning) => listener(warning));
  };
}
