import type { Stream } from '@libp2p/interface';
import type { Logger } from 'pino';
import type { ExchangeMessage } from '../../protocols/messages/v1/schema.ts';
import { throwIfAborted } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { MeshError } from '../lib/errors.ts';
import { decodeFrame, encodeMessage } from './codec.ts';
import { encodeFrame } from './frame.ts';
import type { NetworkLimits } from './limits.ts';
import { PeerChannel } from './peer-channel.ts';

export interface ExchangeStreamsComponents {
  log: Logger;
  clock: Clock;
  /** Opens an exchange stream, dialling when needed; rejects with `unreachable`. */
  open: (nodeId: string) => Promise<Stream>;
  /** Closes every connection to the peer and refuses it for a while. */
  cutOff: (nodeId: string, reason: string) => void;
}

/** The exchange protocol (protocol "Messages"): one channel for each peer, opened with the first message. */
export class ExchangeStreams {
  readonly #components: ExchangeStreamsComponents;
  readonly #limits: NetworkLimits;
  /** Bounded by the connections, and by the nodes that parts above are just sending to. */
  readonly #channels = new Map<string, PeerChannel>();
  #handler: (from: string, message: ExchangeMessage) => void = () => {};

  constructor(components: ExchangeStreamsComponents, limits: NetworkLimits) {
    this.#components = components;
    this.#limits = limits;
  }

  onMessage(handler: (from: string, message: ExchangeMessage) => void): void {
    this.#handler = handler;
  }

  async send(to: string, message: ExchangeMessage, signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    const frame = encodeFrame(encodeMessage(message, this.#limits.frameBytes));
    return this.#channel(to).send(frame, signal);
  }

  /** Takes a stream that the peer opened. */
  accept(from: string, stream: Stream): void {
    this.#channel(from).adopt(stream);
  }

  /** Ends all exchange; `send` may start anew. */
  stop(): void {
    for (const channel of this.#channels.values()) {
      channel.end(new MeshError('unreachable', 'The network is stopping.'));
    }
    this.#channels.clear();
  }

  #channel(nodeId: string): PeerChannel {
    const known = this.#channels.get(nodeId);
    if (known !== undefined) return known;
    const channel = new PeerChannel(
      {
        clock: this.#components.clock,
        open: () => this.#components.open(nodeId),
        onFrame: (body) => this.#receive(nodeId, body),
        onGarbage: (reason) => this.#cutOff(nodeId, reason),
        onIdle: () => void this.#channels.delete(nodeId),
      },
      this.#limits,
    );
    this.#channels.set(nodeId, channel);
    return channel;
  }

  #receive(from: string, body: Uint8Array): void {
    const decoded = decodeFrame(body, this.#limits.frameBytes);
    switch (decoded.kind) {
      case 'garbage':
        this.#cutOff(from, decoded.reason);
        return;
      case 'refused':
        this.send(from, decoded.decline).catch((error: unknown) =>
          this.#components.log.debug({ err: error, peer: from }, 'A decline could not be sent'),
        );
        return;
      case 'message':
        this.#handle(from, decoded.message);
    }
  }

  #handle(from: string, message: ExchangeMessage): void {
    try {
      this.#handler(from, message);
    } catch (error) {
      this.#components.log.error({ err: error, peer: from, type: message.type }, 'Handling a message failed');
    }
  }

  #cutOff(nodeId: string, reason: string): void {
    this.#channels
      .get(nodeId)
      ?.end(new MeshError('unreachable', 'The peer was cut off for sending garbage.'));
    this.#channels.delete(nodeId);
    this.#components.cutOff(nodeId, reason);
  }
}
