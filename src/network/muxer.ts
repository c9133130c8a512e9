import { yamux } from '@chainsafe/libp2p-yamux';
import type { MessageStream, StreamMuxerFactory } from '@libp2p/interface';

/** What a peer may have on its way to this node on one stream, and so what a paused stream holds. */
const STREAM_WINDOW_BYTES = 1_048_576;
/** Streams that a peer may have open on one connection, of all protocols together; the mesh has use for a dozen. */
const INBOUND_STREAMS = 32;
/** A receiver says what it has read in lots of this many bytes: a quarter of what any sender may have on its way. */
const WINDOW_LOT_BYTES = 65_536;
/** The first bytes of a window update without flags: version 0, type 1 (hashicorp/yamux "Framing"). */
const PLAIN_WINDOW_UPDATE = 0x00_01_00_00;
/** Streams with less than a lot unsaid, beyond which those that have ended are forgotten. */
const MAX_UNSAID = 256;

type Yamux = ReturnType<ReturnType<typeof yamux>>;

/**
 * yamux whose control frames are dropped where the connection has closed. yamux 8.0.1 opens a stream by a frame that
 * it sends in a microtask; a connection that is reset just before makes that throw where nobody can catch it, which
 * ends the process (docs/decisions/0021-guarded-muxer.md). Frames with data still throw: their sender must know.
 * Window updates are sent in lots: yamux has one for every frame, which doubles what a short message costs.
 */
export function guardedYamux(): () => StreamMuxerFactory {
  const create = yamux({
    maxInboundStreams: INBOUND_STREAMS,
    streamOptions: { maxStreamWindowSize: STREAM_WINDOW_BYTES },
  });
  return () => guarded(create());
}

function guarded(factory: Yamux): Yamux {
  const create = factory.createStreamMuxer.bind(factory);
  factory.createStreamMuxer = (connection: MessageStream) => {
    const muxer = create(connection);
    const send = muxer.send.bind(muxer);
    const unsaid = new UnsaidBytes(() => new Set(muxer.streams.map(({ streamId }) => streamId)));
    // A control frame is its 12-byte header alone, data a list of pieces.
    muxer.send = (frame) => {
      if (frame instanceof Uint8Array) {
        if (connection.status !== 'open') return false;
        return unsaid.holdsBack(frame) || send(frame);
      }
      // Each piece would be a record of TLS, and a write of the system's, of its own.
      return send(frame.subarray());
    };
    return muxer;
  };
  return factory;
}

/** Bytes of each stream that were read and not yet said to the sender, which so has a smaller window by less than a lot. */
class UnsaidBytes {
  readonly #open: () => ReadonlySet<number>;
  readonly #byStream = new Map<number, number>();

  constructor(open: () => ReadonlySet<number>) {
    this.#open = open;
  }

  /** True where the frame may wait; what waited before is otherwise added to it. */
  holdsBack(frame: Uint8Array): boolean {
    const header = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
    if (header.getUint32(0) !== PLAIN_WINDOW_UPDATE) return false;
    const stream = header.getUint32(4);
    const bytes = (this.#byStream.get(stream) ?? 0) + header.getUint32(8);
    if (bytes < WINDOW_LOT_BYTES) {
      this.#byStream.set(stream, bytes);
      if (this.#byStream.size > MAX_UNSAID) this.#forgetEnded();
      return true;
    }
    this.#byStream.delete(stream);
    header.setUint32(8, bytes);
    return false;
  }

  #forgetEnded(): void {
    const open = this.#open();
    for (const stream of this.#byStream.keys()) if (!open.has(stream)) this.#byStream.delete(stream);
  }
}
