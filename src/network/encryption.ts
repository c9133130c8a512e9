import { noise } from '@chainsafe/libp2p-noise';
import type { ConnectionEncrypter, MessageStream, SecuredConnection } from '@libp2p/interface';
import { type TLSComponents, tls } from '@libp2p/tls';
import type { Libp2pOptions } from 'libp2p';

/**
 * TLS 1.3, and noise for peers without it; both prove the peer's id by its key (docs/decisions/0022-tls.md).
 * libp2p closes the connection below TLS and loses what TLS still holds; `flush` closes from above, for a node that stops.
 */
export class Encryption {
  /** Bounded by the connections. */
  readonly #secured = new Set<MessageStream>();

  /** In order of preference. */
  encrypters(): NonNullable<Libp2pOptions['connectionEncrypters']> {
    return [(components: TLSComponents) => this.#tracked(tls()(components)), noise()];
  }

  async flush(): Promise<void> {
    await Promise.allSettled([...this.#secured].map((connection) => connection.close()));
  }

  #tracked(encrypter: ConnectionEncrypter): ConnectionEncrypter {
    return {
      protocol: encrypter.protocol,
      secureInbound: async (stream, options) => this.#track(await encrypter.secureInbound(stream, options)),
      secureOutbound: async (stream, options) => this.#track(await encrypter.secureOutbound(stream, options)),
    };
  }

  #track<T>(secured: SecuredConnection<T>): SecuredConnection<T> {
    const { connection } = secured;
    this.#secured.add(connection);
    connection.addEventListener('close', () => this.#secured.delete(connection), { once: true });
    return secured;
  }
}
