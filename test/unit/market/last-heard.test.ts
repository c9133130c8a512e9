import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../protocols/common/v1/limits.ts';
import { type Headed, lastHeardOf, orderOf } from '../../../src/market/last-heard.ts';

const NOW = 1_700_000_000_000;
const DAY = 86_400_000;
const said = (sequence: number, id?: string, startedAt = NOW, timestamp = NOW): Headed => ({
  sequence,
  timestamp,
  ...(id !== undefined && { session: { id, startedAt, signature: '' } }),
});
const order = (next: Headed, last: Headed, direct = false) =>
  orderOf(next, lastHeardOf(last), { direct, now: NOW });

describe('the order of two advertisements', () => {
  it('is that of their sequences in one session, and where none is told', () => {
    expect(order(said(6, 'a'), said(5, 'a'))).toBe('later');
    expect(order(said(5, 'a'), said(5, 'a'))).toBe('same');
    expect(order(said(4, 'a'), said(5, 'a'), true)).toBe('earlier');
    expect(order(said(4), said(5), true)).toBe('earlier');
    expect(orderOf(said(0), undefined, { direct: false, now: NOW })).toBe('later');
  });

  it('follows the sequence when a clock that was a day ahead was put right', () => {
    expect(order(said(6, 'b', NOW), said(5, 'a', NOW + DAY, NOW + DAY))).toBe('later');
  });

  it('follows a later session whose sequence begins below, as after a backup was restored', () => {
    expect(order(said(1, 'b', NOW), said(5, 'a', NOW - DAY))).toBe('later');
  });

  it('believes a node about its own session on its own connection, whatever the clocks say', () => {
    expect(order(said(1, 'b', NOW - 2 * DAY, NOW - 2 * DAY), said(5, 'a', NOW), true)).toBe('later');
  });

  it('is earlier for what a third party sends again', () => {
    // Of the same session; of one before; of one whose clock was ahead, then and now.
    expect(order(said(4, 'b', NOW), said(5, 'b', NOW))).toBe('earlier');
    expect(order(said(4, 'a', NOW - DAY, NOW), said(5, 'b', NOW))).toBe('earlier');
    expect(order(said(4, 'a', NOW + DAY, NOW + DAY), said(5, 'b', NOW))).toBe('earlier');
    const late = NOW - LIMITS.clockSkewMs - 1;
    expect(order(said(4, 'a', NOW + DAY, late), said(5, 'b', NOW))).toBe('earlier');
  });
});
