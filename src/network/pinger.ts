import type { Connection, Stream, StreamMessageEvent } from '@libp2p/interface';
import { raceAbort } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import type { Crypto } from '../lib/crypto.ts';
import { TokenBuckets } from './token-bucket.ts';

export const PING_PROTOCOL = '/ipfs/ping/1.0.0';
/** Streams of it that a peer may have open. */
export const PING_STREAMS = 2;
const PING_BYTES = 32;
/** Pings answered: a peer needs one in 30 s, and some when it comes. */
const ANSWERED = { perSecond: 2 * PING_BYTES, burst: 32 * PING_BYTES };
/** A ping stream on which nothing comes is closed. */
const IDLE_MS = 60_000;

export interface PingerComponents {
  clock: Clock;
  crypto: Pick<Crypto, 'randomBytes'>;
}

/**
 * libp2p's ping protocol, 32 bytes there and back. libp2p's own service measures in whole milliseconds, and holds without
 * bound what a peer sends that does not read its answers.
 */
export class Pinger {
  readonly #components: PingerComponents;
  readonly #rates: TokenBuckets;

  constructor(components: PingerComponents) {
    this.#components = components;
    this.#rates = new TokenBuckets(components);
  }

  /** Answers a peer; one that asks too often, or does not read the answers, loses the stream. */
  readonly serve = (stream: Stream, { remotePeer }: Pick<Connection, 'remotePeer'>): void => {
    const rate = this.#rates.of(remotePeer.toString(), ANSWERED);
    const idle = (): (() => void) =>
      this.#components.clock.after(IDLE_MS, () => stream.abort(new Error('Nothing was pinged')));
    let cancel = idle();
    stream.addEventListener('message', ({ data }: StreamMessageEvent) => {
      cancel();
      cancel = idle();
      rate.take(data.byteLength);
      const answered = rate.left >= 0 && stream.writeStatus === 'writable' && stream.send(data);
      if (!answered) stream.abort(new Error('Too many pings'));
    });
    stream.addEventListener('close', () => cancel());
    stream.addEventListener('remoteCloseWrite', () => {
      stream.close().catch((error: Error) => stream.abort(error));
    });
  };

  /** One round trip in milliseconds. */
  async ping(connection: Pick<Connection, 'newStream'>, signal: AbortSignal): Promise<number> {
    const { clock, crypto } = this.#components;
    const stream = await connection.newStream(PING_PROTOCOL, { signal });
    try {
      const sent = crypto.randomBytes(PING_BYTES);
      const answer = Promise.withResolvers<Uint8Array>();
      const received: Uint8Array[] = [];
      stream.addEventListener('message', ({ data }: StreamMessageEvent) => {
        received.push(data.subarray());
        const bytes = Buffer.concat(received);
        if (bytes.length >= PING_BYTES) answer.resolve(bytes);
      });
      stream.addEventListener('close', () => answer.reject(new Error('The stream closed')));
      const before = clock.monotonic();
      stream.send(sent);
      const echoed = await raceAbort(answer.promise, signal);
      const roundTripMs = clock.monotonic() - before;
      if (!Buffer.from(sent).equals(echoed)) throw new Error('A ping came back as something else');
      await stream.close({ signal });
      return roundTripMs;
    } catch (error) {
      stream.abort(error instanceof Error ? error : new Error('A ping failed'));
      throw error;
    }
  }
}
