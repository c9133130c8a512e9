import { type NoiseComponents, noise } from '@chainsafe/libp2p-noise';
import type { ConnectionEncrypter, MessageStream, PeerId, SecuredConnection } from '@libp2p/interface';
import { type TLSComponents, tls } from '@libp2p/tls';
import type { Libp2pOptions } from 'libp2p';
import type { Direction } from './self-meetings.ts';

/**
 * TLS 1.3, and noise for peers without it; both prove the peer's id by its key (docs/decisions/0022-tls.md).
 * libp2p closes the connection below TLS and loses what TLS still holds; `flush` closes from above, for a node that stops.
 */
export class Encryption {
  /** Bounded by the connections. */
  readonly #secured = new Set<MessageStream>();

  readonly #self: string;
  readonly #metSelf: (direction: Direction) => Promise<void>;

  /** `metSelf` is told of every handshake with this node's own key, which libp2p refuses when it resolves. */
  constructor(nodeId: string, metSelf: (direction: Direction) => Promise<void>) {
    this.#self = nodeId;
    this.#metSelf = metSelf;
  }

  /** In order of preference. */
  encrypters(): NonNullable<Libp2pOptions['connectionEncrypters']> {
    return [
      (components: TLSComponents) => this.#watched(tls()(components), this.#track),
      (components: NoiseComponents) => this.#watched(noise()(components), (secured) => secured),
    ];
  }

  async flush(): Promise<void> {
    await Promise.allSettled([...this.#secured].map((connection) => connection.close()));
  }

  #watched(
    encrypter: ConnectionEncrypter,
    track: <T>(secured: SecuredConnection<T>) => SecuredConnection<T>,
  ): ConnectionEncrypter {
    return {
      protocol: encrypter.protocol,
      secureInbound: async (stream, options) =>
        track(await this.#met('inbound', await encrypter.secureInbound(stream, options))),
      secureOutbound: async (stream, options) =>
        track(await this.#met('outbound', await encrypter.secureOutbound(stream, options))),
    };
  }

  async #met<T extends { remotePeer: PeerId }>(direction: Direction, secured: T): Promise<T> {
    if (secured.remotePeer.toString() === this.#self) await this.#metSelf(direction);
    return secured;
  }

  readonly #track = <T>(secured: SecuredConnection<T>): SecuredConnection<T> => {
    const { connection } = secured;
    this.#secured.add(connection);
    connection.addEventListener('close', () => this.#secured.delete(connection), { once: true });
    return secured;
  };
}
