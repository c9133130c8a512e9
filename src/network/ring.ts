import type { PeerInfo } from './types.ts';

/** Longest round trip in milliseconds that still counts as the ring (node "Market and scheduler"). */
const RING1_MS = 10;
const RING2_MS = 80;

/** Ring of a peer. A near address counts before the first ping, and for a machine that is only slow to answer. */
export function ringOf(roundTripMs: number | null, nearAddress: boolean): PeerInfo['ring'] {
  if (nearAddress) return 'ring1';
  if (roundTripMs === null) return 'global';
  if (roundTripMs <= RING1_MS) return 'ring1';
  return roundTripMs <= RING2_MS ? 'ring2' : 'global';
}
