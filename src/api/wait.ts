import type { ServerResponse } from 'node:http';
import type { Principal } from './principal.ts';
import type { RouteContext } from './route-context.ts';
import type { CapsuleView } from './schemas/capsules.ts';

export function hasEnded({ status }: { status: string }): boolean {
  return status === 'completed' || status === 'failed';
}

/** The capsule once it has ended; undefined when the time is up, the client is gone or the API stops. */
export async function waitForEnd(
  { components: { capsules, clock }, followers }: RouteContext,
  caller: Principal,
  id: string,
  ms: number,
  response: ServerResponse,
): Promise<CapsuleView | undefined> {
  // The capsule is stored by now: a caller who cannot wait here follows its events, or asks again.
  if (followers.refusal(caller) !== undefined || response.closed) return undefined;
  const { promise, resolve } = Promise.withResolvers<void>();
  const release = (): void => resolve();
  const releases = [
    followers.add(caller, release),
    capsules.follow((event) => event.type === 'done' && resolve(), { capsuleId: id }),
    clock.after(ms, release),
  ];
  response.once('close', release);
  try {
    // It may have ended before anyone listened.
    const view = await capsules.view(id);
    if (view !== undefined && hasEnded(view)) return view;
    await promise;
    const last = await capsules.view(id);
    return last !== undefined && hasEnded(last) ? last : undefined;
  } finally {
    response.off('close', release);
    for (const undo of releases) undo();
  }
}
