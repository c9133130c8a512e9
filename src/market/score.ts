import type { Ring } from '../../protocols/common/v1/schema.ts';

export interface Weights {
  /** Score per credit. */
  price: number;
  /** Score per second. */
  latency: number;
  /** Score per ring of distance. */
  distance: number;
}

export const DEFAULT_WEIGHTS: Weights = { price: 1, latency: 0.5, distance: 0.3 };

/** Distance of a ring in the score (node "Market and scheduler"). */
export const DISTANCE: Readonly<Record<Ring, number>> = { local: 0, ring1: 1, ring2: 2, global: 3 };

/**
 * Two scores in the same step are equal: with the default weights a step is a thousandth of a credit or two
 * milliseconds, below what either estimate is good for. Steps, unlike a tolerance, make equality transitive.
 */
export const SCORE_STEP = 0.001;

/** Lower is better. `latencySeconds` includes the round trip. */
export function scoreOf(weights: Weights, price: number, latencySeconds: number, ring: Ring): number {
  return weights.price * price + weights.latency * latencySeconds + weights.distance * DISTANCE[ring];
}

export function stepOf(score: number): number {
  return Math.round(score / SCORE_STEP);
}
