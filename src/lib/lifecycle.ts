/** A part with a life of its own. Both are safe to call twice. */
export interface Startable {
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts in order; when one fails, stops what was started, newest first, and throws the first failure. */
export async function startAll(parts: readonly Startable[]): Promise<void> {
  const started: Startable[] = [];
  for (const part of parts) {
    try {
      await part.start();
      started.push(part);
    } catch (error) {
      await stopAll(started).catch((stopError: unknown) => {
        throw new AggregateError(
          [error, stopError],
          'A part failed to start, and undoing the start failed too',
        );
      });
      throw error;
    }
  }
}

/** Stops in reverse order, goes on past failures, and throws them together. */
export async function stopAll(parts: readonly Startable[]): Promise<void> {
  const failures: unknown[] = [];
  for (const part of [...parts].reverse()) {
    try {
      await part.stop();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, 'Several parts failed to stop');
}
