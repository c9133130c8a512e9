import type { Stream } from '@libp2p/interface';
import { streamPair } from '@libp2p/utils';
import { describe, expect, it, vi } from 'vitest';
import { MeshError } from '../../../src/lib/errors.ts';
import { PeerBudgets } from '../../../src/network/budgets.ts';
import { encodeFrame } from '../../../src/network/frame.ts';
import { DEFAULT_NETWORK_LIMITS, type NetworkLimits } from '../../../src/network/limits.ts';
import { PartialFrames } from '../../../src/network/partial-frames.ts';
import { PeerChannel } from '../../../src/network/peer-channel.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

const GONE = new MeshError('unreachable', 'The peer is gone.');

/** A channel whose streams end at `far`, one for each time it opened one. */
function setup(limits: Partial<NetworkLimits> = {}) {
  const clock = new VirtualClock();
  const far: Stream[] = [];
  const received: string[] = [];
  const state = {
    /** What opening a stream waits for first. */
    gate: Promise.resolve(),
    ready: true,
    garbage: [] as string[],
    idle: 0,
    turn: 0,
    longestTurn: 0,
  };
  const all = { ...DEFAULT_NETWORK_LIMITS, ...limits };
  const partial = new PartialFrames({ maxBytes: all.partialFrameBytes });
  const budget = new PeerBudgets({ clock, host: () => undefined }, all).of('peer');
  const channel = new PeerChannel(
    {
      clock,
      budget,
      partial,
      ready: () => state.ready,
      open: async () => {
        await state.gate;
        const [near, other] = await streamPair();
        far.push(other);
        return near;
      },
      onFrame: (body) => {
        received.push(Buffer.from(body).toString());
        if (state.turn++ === 0) setImmediate(() => (state.turn = 0));
        state.longestTurn = Math.max(state.longestTurn, state.turn);
      },
      onGarbage: (reason) => state.garbage.push(reason),
      onIdle: () => state.idle++,
    },
    all,
  );
  return { channel, clock, partial, far, received, state };
}

const frame = (text: string): Uint8Array => encodeFrame(Buffer.from(text));

/** Collects what arrives at a stream: the chunks as they came, and their bytes together. */
function collect(stream: Stream | undefined) {
  const chunks: Buffer[] = [];
  stream?.addEventListener('message', (event) => chunks.push(Buffer.from(event.data.subarray())));
  return { chunks, bytes: () => Buffer.concat(chunks) };
}

describe('a peer channel', () => {
  it('opens one stream for everything, and writes the frames of a tick together', async () => {
    const { channel, far } = setup();
    const frames = ['one', 'two', 'three'].map(frame);
    await Promise.all(frames.map((each) => channel.send(each)));
    const arrived = collect(far[0]);
    await vi.waitFor(() => expect(arrived.bytes().equals(Buffer.concat(frames))).toBe(true));
    await Promise.all([
      channel.send(frame('four')),
      Promise.resolve().then(() => channel.send(frame('five'))),
    ]);
    await vi.waitFor(() => expect(arrived.chunks).toHaveLength(2));
    expect(far).toHaveLength(1);
  });

  it('writes on the stream that the peer opened', async () => {
    const { channel, far } = setup();
    const [theirs, ours] = await streamPair();
    channel.adopt(ours);
    const arrived = collect(theirs);
    await channel.send(frame('hello'));
    await vi.waitFor(() => expect(arrived.bytes().equals(frame('hello'))).toBe(true));
    expect(far).toHaveLength(0);
  });

  it('reads from both streams when both sides open one at the same time', async () => {
    const { channel, far, received } = setup();
    const sent = channel.send(frame('ours'));
    const [theirs, ours] = await streamPair();
    channel.adopt(ours);
    await sent;
    await vi.waitFor(() => expect(far).toHaveLength(1));
    theirs.send(frame('a'));
    await vi.waitFor(() => expect(received).toEqual(['a']));
    far[0]?.send(frame('b'));
    await vi.waitFor(() => expect(received).toEqual(['a', 'b']));
  });

  it('rejects what waits when no stream can be opened, and tries again with the next', async () => {
    const { channel, far, state } = setup();
    state.gate = Promise.reject(new Error('no route'));
    const sent = [channel.send(frame('1')), channel.send(frame('2'))];
    for (const promise of sent) await expect(promise).rejects.toMatchObject({ code: 'unreachable' });
    expect(state.idle).toBe(1);
    state.gate = Promise.resolve();
    await channel.send(frame('3'));
    const arrived = collect(far[0]);
    await vi.waitFor(() => expect(arrived.bytes().equals(frame('3'))).toBe(true));
  });

  it('loses nothing when it cannot open a stream but the peer does', async () => {
    const { channel, state } = setup();
    const opening = Promise.withResolvers<void>();
    state.gate = opening.promise;
    const sent = channel.send(frame('kept'));
    const [theirs, ours] = await streamPair();
    channel.adopt(ours);
    opening.reject(new Error('no route'));
    const arrived = collect(theirs);
    await sent;
    await vi.waitFor(() => expect(arrived.bytes().equals(frame('kept'))).toBe(true));
    await channel.send(frame('next'));
    await vi.waitFor(() => expect(arrived.bytes().length).toBe(10));
  });

  it('opens another stream when one was lost', async () => {
    const { channel, far, state } = setup();
    await channel.send(frame('1'));
    far[0]?.abort(new Error('lost'));
    await vi.waitFor(() => expect(state.idle).toBe(1));
    await channel.send(frame('2'));
    expect(far).toHaveLength(2);
    const arrived = collect(far[1]);
    await vi.waitFor(() => expect(arrived.bytes().equals(frame('2'))).toBe(true));
  });

  it('waits while the stream is full, and goes on when it drained', async () => {
    const { channel, far } = setup({ sendQueueBytes: 50_000_000 });
    await channel.send(frame('start'));
    const arrived = collect(far[0]);
    const body = Buffer.alloc(200_000, 'x').toString();
    await Promise.all(Array.from({ length: 50 }, () => channel.send(frame(body))));
    await vi.waitFor(() => expect(arrived.bytes().length).toBe(6 + 50 * frame(body).length));
  });

  it('handles a peer no faster than its rate, and loses nothing', async () => {
    const { channel, clock, received } = setup({ framesPerSecond: 10, rateBurstSeconds: 1 });
    const [theirs, ours] = await streamPair();
    channel.adopt(ours);
    for (let count = 0; count < 40; count++) theirs.send(frame(String(count)));
    // The burst, and one frame that goes into debt.
    await vi.waitFor(() => expect(received).toHaveLength(11));
    await settle();
    expect(received).toHaveLength(11);
    expect(ours.readStatus).toBe('paused');
    await clock.advance(1_000);
    expect(received).toHaveLength(21);
    await clock.advance(2_000);
    expect(received).toEqual(Array.from({ length: 40 }, (_, count) => String(count)));
    await clock.advance(1_000);
    expect(ours.readStatus).toBe('readable');
    theirs.send(frame('after'));
    await vi.waitFor(() => expect(received.at(-1)).toBe('after'));
  });

  it('reads nothing before its reader is ready', async () => {
    const { channel, received, state } = setup();
    state.ready = false;
    const [theirs, ours] = await streamPair();
    channel.adopt(ours);
    theirs.send(frame('early'));
    await settle();
    expect(received).toEqual([]);
    state.ready = true;
    channel.wakeReaders();
    theirs.send(frame('late'));
    await vi.waitFor(() => expect(received).toEqual(['early', 'late']));
  });

  it('handles one kind of message no faster than its budget, in order', async () => {
    const { channel, clock, received } = setup();
    const [theirs, ours] = await streamPair();
    channel.adopt(ours);
    const query = (id: number): string => JSON.stringify({ type: 'capability_query', id });
    const sent = Array.from({ length: 20 }, (_, id) => query(id));
    theirs.send(Buffer.concat(sent.map(frame)));
    await vi.waitFor(() => expect(received).toHaveLength(9));
    await settle();
    expect(received).toHaveLength(9);
    await clock.advance(1_000);
    expect(received).toHaveLength(11);
    await clock.advance(10_000);
    expect(received).toEqual(sent);
  });

  it('gives up a frame that was begun and is not finished in time', async () => {
    const { channel, clock, partial, state } = setup();
    const [theirs, ours] = await streamPair();
    channel.adopt(ours);
    theirs.send(frame('x'.repeat(32_768)).subarray(0, 100));
    await vi.waitFor(() => expect(partial.bytes).toBe(100));
    await clock.advance(10_900);
    expect(ours.status).toBe('open');
    theirs.send(frame('x').subarray(0, 1));
    await clock.advance(200);
    expect(ours.status).toBe('aborted');
    expect(partial.bytes).toBe(0);
    expect(state.garbage).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('holds only so many bytes of unfinished frames: the first begun goes', async () => {
    const { channel, partial } = setup({ partialFrameBytes: 1_000 });
    const [first, second] = [await streamPair(), await streamPair()];
    for (const [theirs, ours] of [first, second]) {
      channel.adopt(ours);
      theirs.send(frame('x'.repeat(5_000)).subarray(0, 600));
      await vi.waitFor(() => expect(partial.bytes).toBe(600));
      await settle();
    }
    expect(first[1].status).toBe('aborted');
    expect(second[1].status).toBe('open');
  });

  it('counts a frame that waits for the budget of its kind among the unfinished', async () => {
    const kindBudgets = { capability_query: { perSecond: 1, burst: 0 } };
    const { channel, clock, partial, received } = setup({ kindBudgets });
    const [theirs, ours] = await streamPair();
    channel.adopt(ours);
    const query = JSON.stringify({ type: 'capability_query', padding: 'x'.repeat(500) });
    theirs.send(Buffer.concat([frame(query), frame(query)]));
    await vi.waitFor(() => expect(received).toHaveLength(1));
    expect(partial.bytes).toBe(query.length);
    await clock.advance(1_000);
    expect(received).toHaveLength(2);
    expect(partial.bytes).toBe(0);
  });

  it('leaves no timer when it is given up while it waits for its turn', async () => {
    const { channel, clock } = setup({ partialFrameBytes: 100, framesPerSecond: 1, rateBurstSeconds: 0 });
    const [theirs, ours] = await streamPair();
    channel.adopt(ours);
    theirs.send(Buffer.concat([frame('1'), frame('x'.repeat(200))]));
    await vi.waitFor(() => expect(ours.status).toBe('aborted'));
    expect(clock.pendingTimers).toBe(0);
  });

  it('counts bytes against the rate as well', async () => {
    const { channel, clock, received } = setup({ bytesPerSecond: 1_000, rateBurstSeconds: 1 });
    const [theirs, ours] = await streamPair();
    channel.adopt(ours);
    theirs.send(frame('x'.repeat(3_000)));
    await vi.waitFor(() => expect(ours.readStatus).toBe('paused'));
    expect(received).toEqual([]);
    await clock.advance(2_100);
    expect(received).toHaveLength(1);
  });

  it('handles a chunk of very many frames in turns, so that others get theirs', async () => {
    const { channel, received, state } = setup();
    const [theirs, ours] = await streamPair();
    channel.adopt(ours);
    theirs.send(Buffer.concat(Array.from({ length: 1_000 }, (_, count) => frame(String(count)))));
    await vi.waitFor(() => expect(received).toHaveLength(1_000));
    expect(state.longestTurn).toBe(8);
  });

  it('reports garbage once and reads no more', async () => {
    const { channel, received, state } = setup({ frameBytes: 100 });
    const [theirs, ours] = await streamPair();
    channel.adopt(ours);
    theirs.send(frame('good'));
    theirs.send(frame('x'.repeat(101)));
    theirs.send(frame('too late'));
    await vi.waitFor(() => expect(state.garbage).toHaveLength(1));
    await settle();
    expect(received).toEqual(['good']);
    expect(state.garbage).toEqual([expect.stringContaining('101 bytes')]);
  });

  it('is not harmed by a peer that goes away in mid-frame', async () => {
    const { channel, received, state } = setup();
    const [theirs, ours] = await streamPair();
    channel.adopt(ours);
    theirs.send(frame('x'.repeat(100)).subarray(0, 50));
    await settle();
    theirs.abort(new Error('gone'));
    await vi.waitFor(() => expect(state.idle).toBe(1));
    expect(received).toEqual([]);
    expect(state.garbage).toEqual([]);
  });

  it('rejects what waits when it ends, opens nothing any more, and leaves no timer', async () => {
    const { channel, clock, far, state } = setup({ framesPerSecond: 1, rateBurstSeconds: 0 });
    const [theirs, ours] = await streamPair();
    channel.adopt(ours);
    theirs.send(frame('1'));
    theirs.send(frame('2'));
    await vi.waitFor(() => expect(clock.pendingTimers).toBe(1));
    channel.end(GONE);
    expect(clock.pendingTimers).toBe(0);
    theirs.abort(new Error('closed'));
    await settle();
    expect(far).toHaveLength(0);
    expect(state.idle).toBe(0);
  });

  it('rejects what waits for a stream when it ends', async () => {
    const { channel, far } = setup();
    const sent = channel.send(frame('1'));
    channel.end(GONE);
    await expect(sent).rejects.toBe(GONE);
    await vi.waitFor(() => expect(far).toHaveLength(1));
    await vi.waitFor(() => expect(far[0]?.status).not.toBe('open'));
  });
});
