import { LIMITS } from '../../protocols/common/v1/limits.ts';
import type { CapabilityAdvertisement } from '../../protocols/messages/v1/schema.ts';

/** What is remembered of a node's newest advertisement. */
export interface LastHeard {
  sequence: number;
  /** The id of its session; undefined of a node that tells none. */
  session: string | undefined;
  startedAt: number;
}

export type Headed = Pick<CapabilityAdvertisement, 'sequence' | 'session'> &
  Partial<Pick<CapabilityAdvertisement, 'timestamp'>>;

/** How an advertisement stands to what was heard before: later, the same again, or earlier. */
export type Order = 'later' | 'same' | 'earlier';

/**
 * Sequences order what one store said. A node whose store was lost or put back from a backup counts on from below: it is
 * believed where it says so itself, on a connection of its own (`direct`), or where its session is one that began later
 * and it speaks now, by this node's clock. A third party can pass on only what a node signed before, of an earlier
 * session (protocol "Sessions").
 */
export function orderOf(
  { sequence, session, timestamp }: Headed,
  last: LastHeard | undefined,
  { direct, now }: { direct: boolean; now: number },
): Order {
  if (last === undefined || sequence > last.sequence) return 'later';
  if (session === undefined || session.id === last.session) {
    return sequence === last.sequence ? 'same' : 'earlier';
  }
  if (direct) return 'later';
  const isFresh = timestamp !== undefined && Math.abs(timestamp - now) <= LIMITS.clockSkewMs;
  return isFresh && session.startedAt > last.startedAt ? 'later' : 'earlier';
}

export function lastHeardOf({ sequence, session }: Headed): LastHeard {
  return { sequence, session: session?.id, startedAt: session?.startedAt ?? 0 };
}
