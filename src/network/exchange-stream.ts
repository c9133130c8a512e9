import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import type { Logger } from 'pino';
import { EXCHANGE_PROTOCOL } from '../../protocols/common/v1/limits.ts';
import type { ExchangeMessage } from '../../protocols/messages/v1/schema.ts';
import { throwIfAborted } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { MeshError } from '../lib/errors.ts';
import { OPAQUE_KIND, type PeerBudget, type PeerBudgets } from './budgets.ts';
import { decodeFrame, encodeMessage } from './codec.ts';
import { encodeFrame } from './frame.ts';
import type { NetworkLimits } from './limits.ts';
import { MessageHandling } from './message-handling.ts';
import { PartialFrames } from './partial-frames.ts';
import { PeerChannel } from './peer-channel.ts';
import type { MessageHandler } from './types.ts';

export interface ExchangeStreamsComponents {
  log: Logger;
  clock: Clock;
  budgets: PeerBudgets;
  /** Opens an exchange stream, dialling when needed; rejects with `unreachable`. */
  open: (nodeId: string) => Promise<Stream>;
  /** Closes every connection to the peer and refuses it for a while. */
  cutOff: (nodeId: string, reason: string) => void;
  /** A message of the peer is being handled. */
  heard: (nodeId: string) => void;
}

/** What is used of libp2p. */
type Registrar = Pick<Libp2p, 'handle' | 'unhandle'>;

/** Both ends may open a stream at the same time, and a connection may be replaced by another. */
const STREAMS_PER_CONNECTION = 4;

/** The exchange protocol (protocol "Messages"): one channel for each peer, opened with the first message. */
export class ExchangeStreams {
  readonly #components: ExchangeStreamsComponents;
  readonly #limits: NetworkLimits;
  /** Bounded by the connections, and by the nodes that parts above are just sending to. */
  readonly #channels = new Map<string, PeerChannel>();
  readonly #partial: PartialFrames;
  readonly #handling: MessageHandling;
  #registrar: Registrar | null = null;

  constructor(components: ExchangeStreamsComponents, limits: NetworkLimits) {
    this.#components = components;
    this.#limits = limits;
    this.#partial = new PartialFrames({ maxBytes: limits.partialFrameBytes });
    this.#handling = new MessageHandling(
      { log: components.log, room: (from) => this.#channels.get(from)?.wakeReaders() },
      { perPeer: limits.handlingPerPeer },
    );
  }

  /** Takes streams from now on, if somebody handles messages. */
  attach(registrar: Registrar): void {
    this.#registrar = registrar;
    if (this.#handling.listening) this.#takeStreams();
  }

  /** Until somebody handles messages, and afterwards, no stream is taken and nothing is read. */
  listen(handler: MessageHandler): void {
    this.#handling.handler = handler;
    for (const channel of this.#channels.values()) channel.wakeReaders();
    this.#takeStreams();
  }

  /**
   * Closes the streams there are: a peer that goes on sending opens another, and is told. Nothing where another
   * handler has taken its place.
   */
  deafen(handler: MessageHandler): void {
    if (this.#handling.handler !== handler) return;
    this.#handling.handler = null;
    for (const channel of this.#channels.values()) channel.closeStreams();
    this.#registrar?.unhandle(EXCHANGE_PROTOCOL).catch(this.#onProtocolError);
  }

  async send(to: string, message: ExchangeMessage, signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    const frame = encodeFrame(encodeMessage(message, this.#limits.frameBytes));
    return this.#channel(to).send(frame, signal);
  }

  /** Ends all exchange; `send` may start anew. */
  stop(): void {
    this.#registrar = null;
    for (const channel of this.#channels.values()) {
      channel.end(new MeshError('unreachable', 'The network is stopping.'));
    }
    this.#channels.clear();
  }

  /** Says to peers that this node takes messages; who asked before asks again. */
  #takeStreams(): void {
    this.#registrar
      ?.handle(EXCHANGE_PROTOCOL, this.#accept, {
        force: true,
        maxInboundStreams: STREAMS_PER_CONNECTION,
        maxOutboundStreams: STREAMS_PER_CONNECTION,
      })
      .catch(this.#onProtocolError);
  }

  readonly #onProtocolError = (error: unknown): void =>
    this.#components.log.error({ err: error }, 'The exchange protocol could not be registered');

  readonly #accept = (stream: Stream, { remotePeer }: Connection): void => {
    if (this.#handling.listening) this.#channel(remotePeer.toString()).adopt(stream);
    else stream.abort(new Error('Nobody handles messages here yet'));
  };

  #channel(nodeId: string): PeerChannel {
    const known = this.#channels.get(nodeId);
    if (known !== undefined) return known;
    const { clock, budgets, open } = this.#components;
    const budget = budgets.of(nodeId);
    const channel = new PeerChannel(
      {
        clock,
        budget,
        partial: this.#partial,
        ready: () => this.#handling.takes(nodeId),
        open: () => open(nodeId),
        onFrame: (body, kind) => this.#receive(nodeId, body, kind, budget),
        onGarbage: (reason) => this.#cutOff(nodeId, reason),
        onIdle: () => void this.#channels.delete(nodeId),
      },
      this.#limits,
    );
    this.#channels.set(nodeId, channel);
    return channel;
  }

  #receive(from: string, body: Uint8Array, kind: string, budget: PeerBudget): void {
    const decoded = decodeFrame(body, this.#limits.frameBytes);
    if (decoded.kind === 'garbage') {
      this.#cutOff(from, decoded.reason);
      return;
    }
    this.#components.heard(from);
    if (decoded.kind === 'refused') {
      this.send(from, decoded.decline).catch((error: unknown) =>
        this.#components.log.debug({ err: error, peer: from }, 'A decline could not be sent'),
      );
      return;
    }
    const { message } = decoded;
    if (kind === OPAQUE_KIND) {
      // What hid its type until it was parsed does not get around the budget of its type.
      if (budget.kindWaitMs(message.type) > 0) return;
      budget.takeKind(message.type);
    }
    this.#handling.handle(from, message);
  }

  #cutOff(nodeId: string, reason: string): void {
    this.#channels
      .get(nodeId)
      ?.end(new MeshError('unreachable', 'The peer was cut off for sending garbage.'));
    this.#channels.delete(nodeId);
    this.#components.cutOff(nodeId, reason);
  }
}
