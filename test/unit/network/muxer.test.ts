import type { MultiaddrConnection, Stream, StreamMuxer } from '@libp2p/interface';
import { multiaddrConnectionPair } from '@libp2p/utils';
import { afterEach, describe, expect, it } from 'vitest';
import { guardedYamux } from '../../../src/network/muxer.ts';

const HEADER_BYTES = 12;
/** What a sender may have on its way at least, by the protocol. */
const INITIAL_WINDOW_BYTES = 262_144;

let close = (): void => {};
afterEach(() => close());

/** Two muxers, a stream from one to the other, and what the receiving side writes to the connection. */
async function open() {
  const [near, far] = multiaddrConnectionPair();
  const written = recordWrites(far);
  const ends = { sender: muxerOn(near), receiver: muxerOn(far) };
  close = () => {
    near.abort(new Error('The test has ended'));
    far.abort(new Error('The test has ended'));
  };
  return { ...ends, ...(await streamBetween(ends)), written };
}

async function streamBetween({ sender, receiver }: Record<'sender' | 'receiver', StreamMuxer>) {
  const arriving = Promise.withResolvers<Stream>();
  receiver.addEventListener('stream', ({ detail }) => arriving.resolve(detail), { once: true });
  const stream = await sender.createStream();
  return { stream, arrived: await arriving.promise };
}

function muxerOn(connection: MultiaddrConnection): StreamMuxer {
  return guardedYamux()().createStreamMuxer(connection);
}

function recordWrites(connection: MultiaddrConnection): number[] {
  const sizes: number[] = [];
  const send = connection.send.bind(connection);
  connection.send = (data) => {
    sizes.push(data.byteLength);
    return send(data);
  };
  return sizes;
}

/** Resolves when so many bytes have come. */
function received(stream: Stream, bytes: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let sum = 0;
  stream.addEventListener('message', ({ data }) => {
    sum += data.byteLength;
    if (sum >= bytes) resolve();
  });
  return promise;
}

async function exchange(stream: Stream, arrived: Stream, bytes: number): Promise<void> {
  const all = received(arrived, bytes);
  stream.send(new Uint8Array(bytes));
  await all;
}

describe('guardedYamux', () => {
  it('does not answer each short message with a window update', async () => {
    const { stream, arrived, written } = await open();
    await exchange(stream, arrived, 1_000);
    written.length = 0;
    for (let count = 0; count < 50; count++) await exchange(stream, arrived, 1_000);
    // The window is widened twice, and a ping answered.
    expect(written.length).toBeLessThanOrEqual(3);
  });

  it('gives back all that was read, in lots', async () => {
    const { stream, arrived, written } = await open();
    await exchange(stream, arrived, 1_000);
    written.length = 0;
    const messages = Math.ceil((3 * INITIAL_WINDOW_BYTES) / 1_000);
    for (let count = 0; count < messages; count++) await exchange(stream, arrived, 1_000);
    expect(written.every((bytes) => bytes === HEADER_BYTES)).toBe(true);
    expect(written.length).toBeGreaterThanOrEqual(3);
    expect(written.length).toBeLessThanOrEqual(18);
  });

  it('lets one message through that is many windows long', async () => {
    const { stream, arrived } = await open();
    await exchange(stream, arrived, 5 * INITIAL_WINDOW_BYTES);
  });

  it('goes on with a receiver that had paused', async () => {
    const { stream, arrived } = await open();
    const bytes = 4 * INITIAL_WINDOW_BYTES;
    arrived.pause();
    stream.send(new Uint8Array(bytes));
    const all = received(arrived, bytes);
    arrived.resume();
    await all;
  });

  it('opens and ends more streams than it remembers', async () => {
    const ends = await open();
    for (let count = 0; count < 300; count++) {
      const { stream, arrived } = await streamBetween(ends);
      await exchange(stream, arrived, 100);
      stream.abort(new Error('That was all'));
    }
    await exchange(ends.stream, ends.arrived, 3 * INITIAL_WINDOW_BYTES);
  });
});
