import type { Logger } from 'pino';
import type { ExchangeMessage, GossipMessage, SessionNote } from '../../protocols/messages/v1/schema.ts';
import { throwIfAborted } from '../lib/abort.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { MeshError } from '../lib/errors.ts';
import { LEARNED_PEERS_MAX } from './address-book.ts';
import { decodeFrame, decodeGossip, encodeMessage } from './codec.ts';
import { NetworkEmitter } from './events.ts';
import { DEFAULT_NETWORK_LIMITS, type NetworkLimits } from './limits.ts';
import type { HubPort, MemoryHub, MemoryPacket } from './memory-hub.ts';
import { MessageHandling } from './message-handling.ts';
import { ringOf } from './ring.ts';
import type { GossipSubscription, MessageHandler, Network, NetworkEvents, PeerInfo } from './types.ts';

export interface MemoryNetworkComponents {
  hub: MemoryHub;
  log: Logger;
  clock?: Clock;
}

export interface MemoryNetworkInit {
  nodeId: string;
  limits?: Partial<NetworkLimits>;
}

type Limits = Pick<
  NetworkLimits,
  'frameBytes' | 'gossipBytes' | 'sendQueueFrames' | 'sendQueueBytes' | 'handlingPerPeer'
>;

const ADDRESS = /^(?:\/memory)?\/p2p\/([1-9A-HJ-NP-Za-km-z]+)$/;
/** Gossip seen before is not handled again; more than any test has in flight. */
const SEEN_MAX = 10_000;

/** `Network` over a `MemoryHub`: the same schemas, limits and errors as over libp2p, and no sockets. */
export class MemoryNetwork implements Network {
  readonly nodeId: string;
  readonly #hub: MemoryHub;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #events: NetworkEmitter;
  readonly #peers = new Map<string, PeerInfo>();
  readonly #subscriptions = new Map<string, GossipSubscription>();
  readonly #seen = new Set<string>();
  #published = 0;
  #running = false;
  readonly #handling: MessageHandling;

  constructor({ hub, log, clock = systemClock }: MemoryNetworkComponents, init: MemoryNetworkInit) {
    this.nodeId = init.nodeId;
    this.#hub = hub;
    this.#log = log;
    this.#clock = clock;
    this.#limits = { ...DEFAULT_NETWORK_LIMITS, ...init.limits };
    this.#events = new NetworkEmitter(log);
    this.#handling = new MessageHandling(
      { log, room: () => this.#hub.ready(this.nodeId) },
      { perPeer: this.#limits.handlingPerPeer },
    );
  }

  async start(): Promise<void> {
    this.#running = true;
    this.#hub.join(this.nodeId, this.#port);
  }

  async stop(): Promise<void> {
    if (!this.#running) return;
    this.#running = false;
    this.#hub.leave(this.nodeId);
  }

  addresses(): string[] {
    return this.#running ? [`/memory/p2p/${this.nodeId}`] : [];
  }

  peers(): PeerInfo[] {
    return [...this.#peers.values()].map((peer) => ({ ...peer }));
  }

  peer(nodeId: string): PeerInfo | undefined {
    const peer = this.#peers.get(nodeId);
    return peer && { ...peer };
  }

  isConnected(nodeId: string): boolean {
    return this.#peers.has(nodeId);
  }

  async dial(address: string, options: { signal?: AbortSignal } = {}): Promise<string> {
    throwIfAborted(options.signal);
    const nodeId = ADDRESS.exec(address)?.[1];
    if (nodeId === undefined || !this.#running || !this.#hub.connect(this.nodeId, nodeId)) {
      throw new MeshError('unreachable', `Nobody answers at ${address}.`);
    }
    return nodeId;
  }

  learn(nodeId: string, addresses: readonly string[]): void {
    const known = addresses.some((address) => ADDRESS.exec(address)?.[1] === nodeId);
    if (known && this.#running && this.#peers.size < LEARNED_PEERS_MAX)
      this.#hub.connect(this.nodeId, nodeId);
  }

  /** A memory network has room for everybody. */
  favour(): void {}

  async send(to: string, message: ExchangeMessage, options: { signal?: AbortSignal } = {}): Promise<void> {
    throwIfAborted(options.signal);
    const bytes = encodeMessage(message, this.#limits.frameBytes);
    if (!this.#running || !this.#hub.connect(this.nodeId, to)) {
      throw new MeshError('unreachable', `The node ${to} cannot be reached.`);
    }
    const queued = this.#hub.queued(this.nodeId, to);
    if (
      queued.frames >= this.#limits.sendQueueFrames ||
      queued.bytes + bytes.length > this.#limits.sendQueueBytes
    ) {
      throw new MeshError('busy', `Too much is waiting to be sent to ${to}.`);
    }
    this.#hub.transmit({ from: this.nodeId, to, topic: null, author: this.nodeId, bytes });
  }

  onMessage(handler: MessageHandler): () => void {
    this.#handling.handler = handler;
    this.#hub.ready(this.nodeId);
    return () => {
      if (this.#handling.handler === handler) this.#handling.handler = null;
    };
  }

  subscribe(
    topic: string,
    validate: GossipSubscription['validate'],
    handle: GossipSubscription['handle'],
  ): void {
    this.#subscriptions.set(topic, { validate, handle });
  }

  unsubscribe(topic: string): void {
    this.#subscriptions.delete(topic);
  }

  async publish(topic: string, message: GossipMessage): Promise<void> {
    const bytes = encodeMessage(message, this.#limits.gossipBytes);
    if (!this.#running) throw new MeshError('unreachable', 'The network is not running.');
    this.#forward(topic, this.nodeId, [this.nodeId], bytes, `${this.nodeId}#${this.#published++}`);
  }

  showSessions(nodeId: string, notes: readonly SessionNote[]): void {
    if (this.#peers.has(nodeId)) this.#hub.show(this.nodeId, nodeId, notes);
  }

  subscribers(topic: string): number {
    return this.#hub.subscribers(this.nodeId, topic).length;
  }

  on<E extends keyof NetworkEvents>(event: E, listener: (...args: NetworkEvents[E]) => void): void {
    this.#events.on(event, listener);
  }

  off<E extends keyof NetworkEvents>(event: E, listener: (...args: NetworkEvents[E]) => void): void {
    this.#events.off(event, listener);
  }

  readonly #port: HubPort = {
    connected: (peer, direction, roundTripMs) => {
      const connectedAt = this.#clock.now();
      const addresses = [`/memory/p2p/${peer}`];
      this.#peers.set(peer, {
        nodeId: peer,
        addresses,
        direction,
        roundTripMs: null,
        ring: ringOf(null, false),
        connectedAt,
      });
      this.#events.emit('peer:connect', peer);
      this.#port.measured(peer, roundTripMs);
    },
    measured: (nodeId, roundTripMs) => {
      const peer = this.#peers.get(nodeId);
      if (peer === undefined) return;
      Object.assign(peer, { roundTripMs, ring: ringOf(roundTripMs, false) });
      this.#events.emit('peer:measured', { ...peer });
    },
    disconnected: (peer) => {
      this.#peers.delete(peer);
      this.#events.emit('peer:disconnect', peer);
    },
    receive: (packet) => {
      if (packet.topic === null) this.#receiveFrame(packet);
      else this.#receiveGossip(packet, packet.topic);
    },
    shown: (note, from) => this.#events.emit('session:shown', note, from),
    takes: (packet) => packet.topic !== null || this.#handling.takes(packet.from),
    subscribes: (topic) => this.#subscriptions.has(topic),
  };

  #receiveFrame({ from, bytes }: MemoryPacket): void {
    const decoded = decodeFrame(bytes, this.#limits.frameBytes);
    if (decoded.kind === 'garbage') this.#cutOff(from, decoded.reason);
    else if (decoded.kind === 'message') this.#handling.handle(from, decoded.message);
    else {
      this.send(from, decoded.decline).catch((error: unknown) =>
        this.#log.debug({ err: error, peer: from }, 'A decline could not be sent'),
      );
    }
  }

  #receiveGossip({ from, author, bytes, id }: MemoryPacket, topic: string): void {
    const subscription = this.#subscriptions.get(topic);
    if (id === undefined || subscription === undefined || this.#seen.has(id)) return;
    this.#remember(id);
    const decoded = decodeGossip(bytes, this.#limits.gossipBytes);
    if (decoded.kind === 'garbage') this.#cutOff(from, decoded.reason);
    if (decoded.kind !== 'message') return;
    const { message } = decoded;
    if (message.nodeId !== author) {
      this.#cutOff(from, 'A gossip message names another node than its author.');
      return;
    }
    this.#guarded(from, () => {
      if (subscription.validate(author, message, from) !== 'accept') return;
      subscription.handle(author, message, from);
      this.#forward(topic, author, [author, from], bytes, id);
    });
  }

  #forward(topic: string, author: string, except: string[], bytes: Uint8Array, id: string): void {
    this.#remember(id);
    for (const to of this.#hub.subscribers(this.nodeId, topic)) {
      if (!except.includes(to)) this.#hub.transmit({ from: this.nodeId, to, topic, author, bytes, id });
    }
  }

  #remember(id: string): void {
    this.#seen.add(id);
    const [oldest] = this.#seen;
    if (this.#seen.size > SEEN_MAX && oldest !== undefined) this.#seen.delete(oldest);
  }

  #cutOff(peer: string, reason: string): void {
    this.#log.warn({ peer, reason }, 'Cut off a peer that sent garbage');
    this.#hub.disconnect(this.nodeId, peer);
  }

  #guarded(peer: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#log.error({ err: error, peer }, 'Handling a message failed');
    }
  }
}
