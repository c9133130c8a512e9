import { describe, expect, it } from 'vitest';
import { EventStream, resumePoint } from '../../../src/api/event-stream.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const at = 1;
const capsuleId = 'ab'.repeat(32);

describe('an event stream', () => {
  it('leaves no timer behind, however it ends', () => {
    const clock = new VirtualClock();
    const finished = new EventStream({ clock }, { instance: 'a' });
    const destroyed = new EventStream({ clock }, { instance: 'a' });
    expect(clock.pendingTimers).toBe(2);
    finished.finish();
    finished.finish();
    destroyed.destroy();
    expect(clock.pendingTimers).toBe(0);
  });

  it('sends nothing after its end', async () => {
    const stream = new EventStream({ clock: new VirtualClock() }, { instance: 'a' });
    stream.send({ sequence: 1, at, capsuleId, type: 'progress', epoch: 1, delta: 'x' });
    stream.finish();
    stream.send({ sequence: 2, at, capsuleId, type: 'progress', epoch: 1, delta: 'y' });
    const text = (await stream.toArray()).join('');
    expect(text).toContain('id: a-1\nevent: progress\ndata: {');
    expect(text).not.toContain('a-2');
  });

  it('is destroyed when more than a mebibyte waits', () => {
    const stream = new EventStream({ clock: new VirtualClock() }, { instance: 'a' });
    for (let sequence = 1; sequence <= 5; sequence++) {
      expect(stream.destroyed).toBe(false);
      stream.send({ sequence, at, capsuleId, type: 'progress', epoch: 1, delta: 'x'.repeat(250_000) });
    }
    expect(stream.destroyed).toBe(true);
    expect(stream.ended).toBe(true);
  });
});

it('resumes within one life of the node only', () => {
  expect(resumePoint(undefined, 'now')).toBeUndefined();
  expect(resumePoint('now-42', 'now')).toBe(42);
  expect(resumePoint('before-42', 'now')).toBe(0);
  for (const bad of ['', '42', 'now-', 'now-x', '-1', `now-${'9'.repeat(16)}`]) {
    expect(() => resumePoint(bad, 'now'), bad).toThrow(/Last-Event-ID/);
  }
});
