import { describe, expect, it } from 'vitest';
import { TokenBucket, TokenBuckets } from '../../../src/network/token-bucket.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

describe('a token bucket', () => {
  it('lets a burst pass, then says how long the debt takes', async () => {
    const clock = new VirtualClock();
    const bucket = new TokenBucket({ clock }, { perSecond: 100, burst: 20 });
    bucket.take(20);
    expect(bucket.waitMs()).toBe(0);
    bucket.take(5);
    expect(bucket.waitMs()).toBe(50);
    await clock.advance(49);
    expect(bucket.waitMs()).toBe(1);
    await clock.advance(1);
    expect(bucket.waitMs()).toBe(0);
  });

  it('saves no more than a burst', async () => {
    const clock = new VirtualClock();
    const bucket = new TokenBucket({ clock }, { perSecond: 100, burst: 20 });
    await clock.advance(3_600_000);
    bucket.take(30);
    expect(bucket.waitMs()).toBe(100);
  });

  it('is not fooled by a wall clock that jumps', () => {
    const clock = new VirtualClock();
    const bucket = new TokenBucket({ clock }, { perSecond: 1, burst: 1 });
    bucket.take(2);
    clock.jump(1_000_000);
    expect(bucket.waitMs()).toBe(1_000);
  });
});

describe('token buckets', () => {
  const INIT = { perSecond: 1, burst: 5 };

  it('are one for each name', () => {
    const buckets = new TokenBuckets({ clock: new VirtualClock() });
    buckets.of('alice', INIT).take(5);
    expect(buckets.of('alice', INIT).left).toBe(0);
    expect(buckets.of('bob', INIT).left).toBe(5);
  });

  it('are 4,096 at most: the least recently asked for is forgotten', () => {
    const buckets = new TokenBuckets({ clock: new VirtualClock() });
    buckets.of('alice', INIT).take(5);
    buckets.of('bob', INIT).take(5);
    buckets.of('alice', INIT);
    for (let count = 0; count < 4_095; count++) buckets.of(`stranger ${count}`, INIT);
    expect(buckets.of('alice', INIT).left).toBe(0);
    expect(buckets.of('bob', INIT).left).toBe(5);
  });
});
