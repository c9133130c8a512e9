import { describe, expect, it } from 'vitest';
import { ChangeFeed, MAX_PENDING_CHANGES } from '../../../src/market/change-feed.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

function setup() {
  const clock = new VirtualClock();
  const feed = new ChangeFeed({ clock });
  const told: string[] = [];
  const stop = feed.onChanged((capabilityId) => told.push(capabilityId));
  return { clock, feed, told, stop };
}

describe('the feed of changes', () => {
  it('tells of each capability once in a tick, never within the call that changed it', async () => {
    const { clock, feed, told } = setup();
    for (let i = 0; i < 50; i++) feed.note('ai.chat');
    feed.note('text.stats');
    expect(told).toEqual([]);
    await clock.advance(0);
    expect(told.splice(0)).toEqual(['ai.chat', 'text.stats']);
    feed.note('ai.chat');
    await clock.advance(0);
    expect(told).toEqual(['ai.chat']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('tells never before the time that was named, and once for times that are close', async () => {
    const { clock, feed, told } = setup();
    for (let at = 951; at <= 1_000; at++) feed.noteAt('ai.chat', at);
    await clock.advance(999);
    expect(told).toEqual([]);
    await clock.advance(1);
    expect(told).toEqual(['ai.chat']);
  });

  it('admits changes that come while it tells', async () => {
    const { clock, feed, told } = setup();
    let again = true;
    feed.onChanged(() => {
      if (again) feed.note('text.stats');
      again = false;
    });
    feed.note('ai.chat');
    await clock.advance(0);
    expect(told).toEqual(['ai.chat', 'text.stats']);
  });

  it('holds a bounded number, and takes more once they were told', async () => {
    const { clock, feed, told } = setup();
    for (let i = 0; i < MAX_PENDING_CHANGES + 100; i++) feed.note(`text.c${i}`);
    await clock.advance(0);
    expect(told.splice(0)).toHaveLength(MAX_PENDING_CHANGES);
    feed.note('ai.chat');
    await clock.advance(0);
    expect(told).toEqual(['ai.chat']);
  });

  it('remembers nothing and runs no timer without a listener', async () => {
    const { clock, feed, told, stop } = setup();
    feed.noteAt('ai.chat', 500);
    feed.note('ai.chat');
    stop();
    expect(clock.pendingTimers).toBe(0);
    feed.note('ai.chat');
    feed.onChanged((capabilityId) => told.push(capabilityId));
    await clock.advance(1_000);
    expect(told).toEqual([]);
  });
});
