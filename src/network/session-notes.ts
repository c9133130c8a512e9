import type { Connection, Stream, StreamMessageEvent } from '@libp2p/interface';
import type { Logger } from 'pino';
import { SESSION_PROTOCOL } from '../../protocols/common/v1/limits.ts';
import { SessionNote } from '../../protocols/messages/v1/schema.ts';
import { checkOf } from '../lib/check.ts';
import type { Clock } from '../lib/clock.ts';
import { parseJson } from '../lib/json.ts';
import { TokenBuckets } from './token-bucket.ts';

/** Streams of it that a peer may have open. */
export const SESSION_STREAMS = 2;
/** Of what a stream carries: notes of two sessions take 700. */
const MAX_BYTES = 2_048;
const MAX_NOTES = 2;
const MAX_DEPTH = 4;
/** Streams read: a peer shows once that this node was restarted, and a few times more where another goes by its name. */
const READ = { perSecond: 0.1, burst: 8 };
/** Until a stream has carried all that it will. */
const STREAM_MS = 10_000;

const check = checkOf(SessionNote);

export interface SessionNotesComponents {
  clock: Clock;
  log: Logger;
  shown: (note: SessionNote, from: string) => void;
}

/** A stream for each connection that carries what was signed under the name of whoever is at its other end: JSON lines, then its end. */
export class SessionNotes {
  readonly #components: SessionNotesComponents;
  readonly #rates: TokenBuckets;

  constructor(components: SessionNotesComponents) {
    this.#components = components;
    this.#rates = new TokenBuckets(components);
  }

  show(connections: readonly Pick<Connection, 'newStream'>[], notes: readonly SessionNote[]): void {
    const bytes = Buffer.from(notes.map((note) => JSON.stringify(note)).join('\n'));
    for (const connection of connections) {
      this.#send(connection, bytes).catch((error: unknown) =>
        this.#components.log.debug({ err: error }, 'A peer could not be shown its sessions'),
      );
    }
  }

  readonly serve = (stream: Stream, { remotePeer }: Pick<Connection, 'remotePeer'>): void => {
    const from = remotePeer.toString();
    const rate = this.#rates.of(from, READ);
    if (rate.waitMs() > 0) {
      stream.abort(new Error('Too many notes of sessions'));
      return;
    }
    rate.take(1);
    const parts: Uint8Array[] = [];
    let bytes = 0;
    const cancel = this.#components.clock.after(STREAM_MS, () =>
      stream.abort(new Error('A note took too long')),
    );
    stream.addEventListener('message', ({ data }: StreamMessageEvent) => {
      bytes += data.byteLength;
      if (bytes > MAX_BYTES) stream.abort(new Error('A note of sessions is too long'));
      else parts.push(data.subarray());
    });
    stream.addEventListener('close', () => cancel());
    stream.addEventListener('remoteCloseWrite', () => {
      if (bytes <= MAX_BYTES) this.#read(Buffer.concat(parts), from);
      stream.close().catch((error: Error) => stream.abort(error));
    });
  };

  async #send(connection: Pick<Connection, 'newStream'>, bytes: Uint8Array): Promise<void> {
    const overdue = new AbortController();
    const cancel = this.#components.clock.after(STREAM_MS, () => overdue.abort());
    try {
      const stream = await connection.newStream(SESSION_PROTOCOL, { signal: overdue.signal });
      stream.send(bytes);
      await stream.close({ signal: overdue.signal });
    } finally {
      cancel();
    }
  }

  #read(bytes: Buffer, from: string): void {
    try {
      for (const line of bytes.toString('utf8').split('\n').slice(0, MAX_NOTES)) {
        const note = parseJson(Buffer.from(line), { maxBytes: MAX_BYTES, maxDepth: MAX_DEPTH });
        if (check.accepts(note)) this.#components.shown(note, from);
      }
    } catch (error) {
      this.#components.log.debug({ err: error, peer: from }, 'A note of sessions could not be read');
    }
  }
}
