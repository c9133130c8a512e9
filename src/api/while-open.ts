import type { ServerResponse } from 'node:http';

/** Aborted when nobody waits for the answer any more: it was sent, or the client went away. */
export function whileOpen(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  if (response.closed) controller.abort();
  else response.once('close', () => controller.abort());
  return controller.signal;
}
