import { LIMITS } from '../../protocols/common/v1/limits.ts';

/** Whether `later` may be after `earlier` by clocks of two nodes, which differ by `LIMITS.clockSkewMs` at most. */
export function isInOrder(earlier: number, later: number): boolean {
  return earlier <= later + LIMITS.clockSkewMs;
}
