import { beforeEach, describe, expect, it } from 'vitest';
import { EventStream, type EventStreamInit, resumePoint } from '../../../src/api/event-stream.ts';
import { EventLog } from '../../../src/exchange/event-log.ts';
import { silentLog } from '../../support/database.ts';
import { capsuleId } from '../../support/stored-capsules.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

let clock: VirtualClock;
let log: EventLog;
let asked: number;
beforeEach(() => {
  clock = new VirtualClock();
  log = new EventLog({ clock, log: silentLog });
  asked = 0;
});

const say = (delta: string, capsule = 1) =>
  log.emit({ type: 'progress', capsuleId: capsuleId(capsule), epoch: 1, delta });
const end = (capsule = 1) =>
  log.emit({ type: 'done', capsuleId: capsuleId(capsule), status: 'completed', error: null });

function open(init: Partial<EventStreamInit> = {}): EventStream {
  const capsules = {
    follow: log.follow.bind(log),
    eventsAfter: (range: Parameters<EventLog['after']>[0]) => {
      asked += 1;
      return log.after(range);
    },
  };
  return new EventStream({ clock, capsules }, { instance: 'a', since: 0, ...init });
}
const idsIn = (text: string) => [...text.matchAll(/^id: a-(\d+)$/gm)].map(([, id]) => Number(id));
const upTo = (last: number, from = 1) => Array.from({ length: last - from + 1 }, (_, n) => n + from);

/** Reads whatever there is now. */
async function readAll(stream: EventStream): Promise<string> {
  let text = '';
  for (;;) {
    const chunk: unknown = stream.read();
    if (chunk === null) {
      await settle();
      const late: unknown = stream.read();
      if (late === null) return text;
      text += String(late);
    } else text += String(chunk);
  }
}

describe('an event stream', () => {
  it('leaves no timer and no follower behind, however it ends', () => {
    const finished = open();
    const destroyed = open();
    expect(clock.pendingTimers).toBe(2);
    finished.finish();
    finished.finish();
    destroyed.destroy();
    expect(clock.pendingTimers).toBe(0);
    say('x');
    expect(finished.ended && destroyed.ended).toBe(true);
  });

  it('sends nothing after its end', async () => {
    const stream = open();
    say('x');
    expect(await readAll(stream)).toContain('id: a-1\nevent: progress\ndata: {');
    stream.finish();
    say('y');
    expect((await stream.toArray()).join('')).toBe('');
  });

  it('gives 50,000 earlier events to a client that reads, and holds a few of them at a time', async () => {
    for (let n = 0; n < 50_000; n++) say(`word ${n}`);
    const stream = open();
    const seen: number[] = [];
    let most = 0;
    for (let text = ''; seen.at(-1) !== 50_000; ) {
      const chunk: unknown = stream.read();
      most = Math.max(most, stream.readableLength);
      if (chunk === null) await settle();
      else text += String(chunk);
      const whole = text.lastIndexOf('\n\n') + 2;
      seen.push(...idsIn(text.slice(0, whole)));
      text = text.slice(whole);
    }
    expect(seen).toEqual(upTo(50_000));
    expect(most).toBeLessThan(128 * 1024);
    say('live');
    expect(idsIn(await readAll(stream))).toEqual([50_001]);
    stream.destroy();
  });

  it('takes nothing more from the log while its client does not read', async () => {
    for (let n = 0; n < 1000; n++) say('x'.repeat(1000));
    const stream = open();
    stream.read(0);
    await settle();
    const before = asked;
    for (let n = 0; n < 1000; n++) say('y'.repeat(1000));
    await settle();
    expect(asked).toBe(before);
    expect(stream.readableLength).toBeLessThan(128 * 1024);
    expect(idsIn(await readAll(stream))).toEqual(upTo(2000));
    stream.destroy();
  });

  it('leaves none out where a client takes each piece at once', async () => {
    for (let n = 0; n < 300; n++) say('x'.repeat(3000));
    const stream = open();
    let text = '';
    stream.on('data', (chunk) => {
      text += String(chunk);
    });
    while (idsIn(text).at(-1) !== 300) await settle();
    expect(idsIn(text)).toEqual(upTo(300));
    stream.destroy();
  });

  it('is cut off where its client falls behind what the log remembers', async () => {
    const stream = open();
    expect(await readAll(stream)).toContain(': open');
    for (let n = 0; n < 40; n++) say('x'.repeat(500_000));
    await settle();
    await readAll(stream);
    await settle();
    expect(stream.destroyed).toBe(true);
  });

  it('is cut off where its client reads nothing for a minute, and not where there is nothing to read', async () => {
    const [idle, stuck] = [open(), open()];
    idle.resume();
    stuck.read(0);
    say('x'.repeat(200_000));
    await settle();
    await clock.advance(60_000);
    expect([idle.destroyed, stuck.destroyed]).toEqual([false, true]);
    idle.destroy();
  });

  it('goes on after the event that its client has, and says what is forgotten', async () => {
    for (let n = 0; n < 10; n++) say('x');
    expect(idsIn(await readAll(open({ since: 7 })))).toEqual([8, 9, 10]);
    for (let n = 0; n < 40; n++) say('x'.repeat(500_000));
    const late = open({ since: 7 });
    expect(String(late.read())).toMatch(/: open\n\n: \d+ events are forgotten\n\n/);
    late.destroy();
  });

  it('of a capsule is not cut off by what others say while there is nothing about it', async () => {
    const stream = open({ capsuleId: capsuleId(1) });
    say('mine');
    expect(idsIn(await readAll(stream))).toEqual([1]);
    for (let n = 0; n < 60; n++) say('x'.repeat(500_000), 2);
    say('mine again');
    end();
    expect(idsIn(await readAll(stream))).toEqual([62, 63]);
    expect(stream.readableEnded).toBe(true);
  });

  it('shows what its client may see, and no gap holds it up', async () => {
    for (let n = 0; n < 500; n++) say('x', n % 2);
    const stream = open({ sees: (event) => event.capsuleId === capsuleId(3) });
    say('mine', 3);
    await settle();
    expect(idsIn(await readAll(stream))).toEqual([501]);
    stream.destroy();
  });

  it('says once that everything earlier was sent', async () => {
    for (let n = 0; n < 200; n++) say('x');
    let said = 0;
    const stream = open({ onCaughtUp: () => void said++ });
    expect(said).toBe(0);
    await readAll(stream);
    say('y');
    await readAll(stream);
    expect(said).toBe(1);
    stream.destroy();
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
