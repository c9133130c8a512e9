import { yamux } from '@chainsafe/libp2p-yamux';
import type { MessageStream, StreamMuxerFactory } from '@libp2p/interface';

/** What a peer may have on its way to this node on one stream, and so what a paused stream holds. */
const STREAM_WINDOW_BYTES = 1_048_576;
/** Streams that a peer may have open on one connection, of all protocols together; the mesh has use for a dozen. */
const INBOUND_STREAMS = 32;

type Yamux = ReturnType<ReturnType<typeof yamux>>;

/**
 * yamux whose control frames are dropped where the connection has closed. yamux 8.0.1 opens a stream by a frame that
 * it sends in a microtask; a connection that is reset just before makes that throw where nobody can catch it, which
 * ends the process (docs/decisions/0021-guarded-muxer.md). Frames with data still throw: their sender must know.
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
    // A control frame is its 12-byte header alone, data a list of pieces.
    muxer.send = (frame) => {
      if (frame instanceof Uint8Array) return connection.status === 'open' ? send(frame) : false;
      // Each piece would be a record of TLS, and a write of the system's, of its own.
      return send(frame.subarray());
    };
    return muxer;
  };
  return factory;
}
