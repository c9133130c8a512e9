import { setTimeout as delay } from 'node:timers/promises';
import type { CapsuleView, MeshEvent } from '../exchange/types.ts';
import { MeshError } from '../lib/errors.ts';
import type { ApiClient } from './api-client.ts';
import { CliError } from './failure.ts';

/** ms between attempts to reach a node that went silent, and how many: a restart takes a second or two. */
const RECONNECT_MS = 500;
const RECONNECTS = 20;

export interface FollowOptions {
  signal: AbortSignal;
  onEvent?: (event: MeshEvent) => void;
}

/** Follows a capsule to its end and gives its whole record; survives a node that restarts meanwhile. */
export async function waitForEnd(
  client: ApiClient,
  id: string,
  options: FollowOptions,
): Promise<CapsuleView> {
  for await (const event of follow(client, `/api/capsules/${id}/events`, options.signal)) {
    options.onEvent?.(event);
    if (event.type === 'done') break;
  }
  return client.request<CapsuleView>(`/api/capsules/${id}`, { signal: options.signal });
}

/** Events of a route, through broken connections, until the reader breaks off. Throws `unreachable` in the end. */
export async function* follow(
  client: ApiClient,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<MeshEvent> {
  let since: string | undefined;
  let reached = false;
  for (let failures = 0; failures <= RECONNECTS; failures++) {
    try {
      for await (const event of client.events(path, { signal, ...(since !== undefined && { since }) })) {
        since = event.id ?? since;
        reached = true;
        failures = 0;
        yield JSON.parse(event.data) as MeshEvent;
      }
    } catch (error) {
      signal.throwIfAborted();
      // A stream that breaks off rejects with the platform's own errors; the node's refusals are final.
      if (error instanceof MeshError && (error.code !== 'unreachable' || !reached)) throw error;
    }
    reached = true;
    await delay(RECONNECT_MS, undefined, { signal });
  }
  throw new CliError(
    'unreachable',
    `The node at ${client.url} stopped answering; what it accepted goes on once it runs again.`,
    'Start it again with `capsule start`, then: capsule list',
  );
}
