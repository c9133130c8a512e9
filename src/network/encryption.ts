import { type NoiseComponents, noise } from '@chainsafe/libp2p-noise';
import type { ConnectionEncrypter, MessageStream, PeerId, SecuredConnection } from '@libp2p/interface';
import { type TLSComponents, tls } from '@libp2p/tls';
import type { Libp2pOptions } from 'libp2p';
import type { Clock } from '../lib/clock.ts';
import type { NetworkEmitter } from './events.ts';
import { type Direction, SelfMeetings } from './self-meetings.ts';

/**
 * TLS 1.3, and noise for peers without it; both prove the peer's id by its key (docs/decisions/0022-tls.md).
 * libp2p closes the connection below TLS and loses what TLS still holds; `flush` closes from above, for a node that stops.
 */
export class Encryption {
  /** Bounded by the connections. */
  readonly #secured = new Set<MessageStream>();

  readonly #self: string;
  readonly #meetings: SelfMeetings;

  constructor({ clock, events }: { clock: Clock; events: NetworkEmitter }, { nodeId }: { nodeId: string }) {
    this.#self = nodeId;
    this.#meetings = new SelfMeetings({ clock, met: () => events.emit('self:met') });
  }

  /** In order of preference. */
  encrypters(): NonNullable<Libp2pOptions['connectionEncrypters']> {
    return [
      (components: TLSComponents) => this.#watched(tls()(components), this.#track),
      (components: NoiseComponents) => this.#watched(noise()(components), (secured) => secured),
    ];
  }

  async flush(): Promise<void> {
    this.#meetings.stop();
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
    if (secured.remotePeer.toString() === this.#self) await this.#meetings.note(direction);
    return secured;
  }

  readonly #track = <T>(secured: SecuredConnection<T>): SecuredConnection<T> => {
    const { connection } = secured;
    this.#secured.add(connection);
    connection.addEventListener('close', () => this.#secured.delete(connection), { once: true });
    return secured;
  };
}
