import type { PeerInfo } from '../network/types.ts';
import type { Place } from './ring-index.ts';
import type { Provider } from './types.ts';

export type RemoteRing = Provider['ring'];
/** Where a provider is ranked: in the ring that was measured, or behind all rings while its node was never met. */
export type Band = RemoteRing | 'unproven';

/** Where a peer stands by this node's own measurement. */
export interface Standing {
  ring: RemoteRing;
  roundTripMs: number;
}

/** Assumed in milliseconds before the first ping: the longest that the ring allows, and beyond for `global`. */
const ASSUMED_ROUND_TRIP_MS: Readonly<Record<RemoteRing, number>> = { ring1: 10, ring2: 80, global: 200 };

/** Assumed of a node that was never met: heard of through others, so as far as the farthest. */
export const UNKNOWN_STANDING: Standing = standingOf({ ring: 'global', roundTripMs: null });

export function standingOf({ ring, roundTripMs }: Pick<PeerInfo, 'ring' | 'roundTripMs'>): Standing {
  return { ring, roundTripMs: roundTripMs ?? ASSUMED_ROUND_TRIP_MS[ring] };
}

/** About what the heap keeps for an offer, and for each model that it is listed by; measured. */
const OFFER_BYTES = 448;
const MODEL_BYTES = 256;

/** One node's offer of one capability. Its place is fixed: an index holds it; a new place is a new entry. */
export interface Entry extends Place {
  readonly capabilityId: string;
  readonly ring: RemoteRing;
  readonly band: Band;
  readonly price: number;
  /** By which it is found, with their tags; undefined where it does not say which it has. */
  readonly models: readonly string[] | undefined;
  /** Seconds, as advertised. */
  estimatedLatency: number;
  roundTripMs: number;
  /** Seconds with the round trip. */
  latencySeconds: number;
  score: number;
  /** Whether the same work may be run a second time. */
  idempotent: boolean;
  /** JSON text: a fifth of what the parsed value would take. */
  detail: string | undefined;
}

export function bytesOf({ detail, models }: Entry): number {
  const listed = models?.reduce((sum, model) => sum + MODEL_BYTES + model.length, 0) ?? 0;
  return OFFER_BYTES + (detail?.length ?? 0) + listed;
}

export function providerOf(entry: Entry, ageMs: number): Provider {
  const { nodeId, capabilityId, price, estimatedLatency, ring, roundTripMs, idempotent, detail } = entry;
  const offered = { nodeId, capabilityId, price, estimatedLatency, idempotent };
  const provider = { ...offered, ring, proven: entry.band !== 'unproven', roundTripMs, ageMs };
  return detail === undefined ? provider : { ...provider, detail: JSON.parse(detail) };
}
