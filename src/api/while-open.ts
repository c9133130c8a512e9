import type { ServerResponse } from 'node:http';

/** Aborted when the answer was sent, or its client went away. */
export function whileOpen(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  if (response.closed) controller.abort();
  else response.once('close', () => controller.abort());
  return controller.signal;
}
