import type { Place, RingIndex } from './ring-index.ts';
import type { Provider } from './types.ts';

export type RemoteRing = Provider['ring'];

/** Where a peer stands by this node's own measurement. */
export interface Standing {
  ring: RemoteRing;
  roundTripMs: number;
}

/** Assumed of a node that was never met: heard of through others, so as far as the farthest. */
export const UNKNOWN_STANDING: Standing = { ring: 'global', roundTripMs: 200 };

/** One node's offer of one capability. Its place is fixed: an index holds it; a new place is a new entry. */
export interface Entry extends Place {
  readonly capabilityId: string;
  readonly ring: RemoteRing;
  readonly price: number;
  /** Seconds, as advertised. */
  estimatedLatency: number;
  roundTripMs: number;
  /** Seconds with the round trip. */
  latencySeconds: number;
  score: number;
  /** Whether the same work may be run a second time. */
  idempotent: boolean;
  detail: Record<string, unknown> | undefined;
}

/** The providers of one capability. */
export type CapabilityRings = Readonly<Record<RemoteRing, RingIndex<Entry>>>;

export function sizeOf(rings: CapabilityRings): number {
  return rings.ring1.size + rings.ring2.size + rings.global.size;
}
