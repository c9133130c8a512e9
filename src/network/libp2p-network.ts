import { privateKeyFromRaw } from '@libp2p/crypto/keys';
import type { Connection, IdentifyResult, PeerId, PrivateKey } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import type { Logger } from 'pino';
import { SESSION_PROTOCOL } from '../../protocols/common/v1/limits.ts';
import type { ExchangeMessage, GossipMessage, SessionNote } from '../../protocols/messages/v1/schema.ts';
import type { Clock } from '../lib/clock.ts';
import type { Crypto } from '../lib/crypto.ts';
import { PeerBudgets } from './budgets.ts';
import { ConnectionShares } from './connection-shares.ts';
import { Connections } from './connections.ts';
import { Dialers } from './dialers.ts';
import { Encryption } from './encryption.ts';
import { NetworkEmitter } from './events.ts';
import { ExchangeStreams } from './exchange-stream.ts';
import { Forgetting } from './forgetting.ts';
import { Gossip } from './gossip.ts';
import { guardGossip } from './gossip-guard.ts';
import { createMeshLibp2p, stopWithin } from './libp2p-node.ts';
import { DEFAULT_NETWORK_LIMITS, type NetworkLimits } from './limits.ts';
import { PeerGate } from './peer-gate.ts';
import { PeerTable } from './peer-table.ts';
import { Penalties } from './penalties.ts';
import { PING_PROTOCOL, PING_STREAMS, Pinger } from './pinger.ts';
import { SESSION_STREAMS, SessionNotes } from './session-notes.ts';
import { checkAddresses, checkAnnounced, startError } from './start-error.ts';
import { StreamOpener } from './stream-opener.ts';
import type { MessageHandler, Network, NetworkEvents, PeerInfo } from './types.ts';

export interface Libp2pNetworkComponents {
  log: Logger;
  clock: Clock;
  crypto: Pick<Crypto, 'publicKey' | 'randomBytes'>;
}

export interface Libp2pNetworkInit {
  /** 32-byte Ed25519 seed of the node; its public key is the node id. */
  seed: Uint8Array;
  /** Multiaddrs; port 0 picks a free one. */
  listen: readonly string[];
  /** Further multiaddrs where others reach this node, such as a port that a router forwards. */
  announce?: readonly string[];
  /** Multiaddrs dialled at start, and again whenever the connection is lost. */
  bootstrap?: readonly string[];
  /** Finds nodes on the local network. */
  mdns?: boolean;
  /** Node ids; when not empty, nobody else may connect. */
  allow?: readonly string[];
  deny?: readonly string[];
  /** Web origins, such as `https://mesh.example`, whose pages may open the WebSocket; no others may. */
  origins?: readonly string[];
  limits?: Partial<NetworkLimits>;
}

export function createLibp2pNetwork(components: Libp2pNetworkComponents, init: Libp2pNetworkInit): Network {
  return new Libp2pNetwork(components, init);
}

/** The port, method for method, and the one place that joins the parts behind it. */
class Libp2pNetwork implements Network {
  readonly nodeId: string;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #init: Libp2pNetworkInit;
  readonly #limits: NetworkLimits;
  readonly #privateKey: PrivateKey;
  readonly #events: NetworkEmitter;
  readonly #penalties: Penalties;
  readonly #shares: ConnectionShares;
  readonly #gate: PeerGate;
  readonly #peers: PeerTable;
  readonly #exchange: ExchangeStreams;
  readonly #pinger: Pinger;
  readonly #opener: StreamOpener;
  readonly #gossip: Gossip;
  readonly #dialers: Dialers;
  readonly #forgetting: Forgetting;
  readonly #encryption: Encryption;
  readonly #sessionNotes: SessionNotes;
  readonly #connections = new Connections();

  constructor({ log, clock, crypto }: Libp2pNetworkComponents, init: Libp2pNetworkInit) {
    const limits = { ...DEFAULT_NETWORK_LIMITS, ...init.limits };
    this.#log = log;
    this.#clock = clock;
    this.#init = init;
    this.#limits = limits;
    this.#privateKey = privateKeyFromRaw(Buffer.concat([init.seed, crypto.publicKey(init.seed)]));
    this.nodeId = peerIdFromPrivateKey(this.#privateKey).toString();
    this.#events = new NetworkEmitter(log);
    this.#penalties = new Penalties({ clock });
    this.#encryption = new Encryption({ clock, events: this.#events }, { nodeId: this.nodeId });
    this.#sessionNotes = new SessionNotes({ log, clock, events: this.#events });
    const allowed = new Set(init.allow);
    this.#shares = new ConnectionShares(
      { clock, isKnown: (nodeId) => allowed.has(nodeId) || this.#dialers.isBootstrap(nodeId) },
      limits,
    );
    this.#gate = new PeerGate(
      { clock, shares: this.#shares, expects: (address, nodeId) => this.#dialers.expects(address, nodeId) },
      { allow: init.allow ?? [], deny: init.deny ?? [], refusalMs: limits.refusalMs },
    );
    this.#peers = new PeerTable(
      {
        log,
        clock,
        events: this.#events,
        connections: this.#connections.to,
        ping: async (nodeId, signal) => this.#pinger.ping(this.#connections.first(nodeId), signal),
        busyMs: () => performance.eventLoopUtilization().active,
        drop: (nodeId) => this.#connections.drop(nodeId, 'The peer does not answer pings'),
      },
      limits,
    );
    this.#opener = new StreamOpener(
      { clock, connections: this.#connections.to, dial: (nodeId) => this.#dialers.dial(nodeId) },
      limits,
    );
    const budgets = new PeerBudgets({ clock, host: this.#connections.host }, limits);
    this.#pinger = new Pinger({ clock, crypto });
    this.#exchange = new ExchangeStreams(
      {
        log,
        clock,
        budgets,
        open: (nodeId) => this.#opener.open(nodeId),
        cutOff: this.#cutOff,
        heard: (nodeId) => this.#shares.heard(nodeId),
      },
      limits,
    );
    this.#gossip = new Gossip(
      { log, clock, penalties: this.#penalties, cutOff: this.#cutOff },
      { nodeId: this.nodeId, limits },
    );
    const isConnected = (nodeId: string): boolean => this.isConnected(nodeId);
    this.#dialers = new Dialers(
      {
        log,
        clock,
        isConnected,
        connect: (address, options) => this.#connections.libp2p.dial(address, options),
        listening: this.#connections.listening,
        peerCount: () => this.#peers.size,
      },
      { nodeId: this.nodeId, bootstrap: init.bootstrap ?? [], limits },
    );
    this.#forgetting = new Forgetting({
      log,
      clock,
      records: () => this.#connections.libp2p.peerStore,
      isConnected: (nodeId) => nodeId === this.nodeId || isConnected(nodeId),
    });
  }

  async start(): Promise<void> {
    if (this.#connections.isRunning) return;
    try {
      await this.#start();
    } catch (error) {
      await this.stop().catch((stopError: unknown) =>
        this.#log.debug({ err: stopError }, 'Undoing the start of the network failed'),
      );
      throw startError(error, this.#init.listen);
    }
  }

  /** Hands over what waits, closes, and never takes longer than `stopTimeoutMs`. */
  async stop(): Promise<void> {
    const libp2p = this.#connections.detach();
    if (libp2p === null) return;
    this.#dialers.stop();
    this.#exchange.stop();
    this.#opener.stop();
    this.#forgetting.stop();
    this.#gossip.detach();
    libp2p.removeEventListener('peer:connect', this.#onConnect);
    libp2p.removeEventListener('peer:disconnect', this.#onDisconnect);
    libp2p.removeEventListener('connection:open', this.#onOpen);
    libp2p.removeEventListener('peer:identify', this.#onIdentify);
    this.#peers.clear();
    await stopWithin(this.#limits.stopTimeoutMs, libp2p, {
      clock: this.#clock,
      log: this.#log,
      encryption: this.#encryption,
    });
  }

  addresses(): string[] {
    return this.#connections.listening().map((address) => address.toString());
  }

  peers(): PeerInfo[] {
    return this.#peers.peers();
  }

  peer(nodeId: string): PeerInfo | undefined {
    return this.#peers.peer(nodeId);
  }

  isConnected(nodeId: string): boolean {
    return this.#peers.has(nodeId);
  }

  dial(address: string, options: { signal?: AbortSignal } = {}): Promise<string> {
    return this.#dialers.dialAddress(address, options);
  }

  learn(nodeId: string, addresses: readonly string[]): void {
    if (this.#connections.isRunning && nodeId !== this.nodeId) this.#dialers.learn(nodeId, addresses);
  }

  favour(nodeId: string): void {
    this.#shares.favour(nodeId);
  }

  send(to: string, message: ExchangeMessage, options: { signal?: AbortSignal } = {}): Promise<void> {
    return this.#exchange.send(to, message, options.signal);
  }

  onMessage(handler: MessageHandler): () => void {
    this.#exchange.listen(handler);
    return () => this.#exchange.deafen(handler);
  }

  subscribe(...subscription: Parameters<Network['subscribe']>): void {
    this.#gossip.subscribe(...subscription);
  }

  unsubscribe(topic: string): void {
    this.#gossip.unsubscribe(topic);
  }

  publish(topic: string, message: GossipMessage): Promise<void> {
    return this.#gossip.publish(topic, message);
  }

  showSessions(nodeId: string, notes: readonly SessionNote[]): void {
    this.#sessionNotes.show(this.#connections.to(nodeId), notes);
  }

  subscribers(topic: string): number {
    return this.#gossip.subscribers(topic);
  }

  on<E extends keyof NetworkEvents>(event: E, listener: (...args: NetworkEvents[E]) => void): void {
    this.#events.on(event, listener);
  }

  off<E extends keyof NetworkEvents>(event: E, listener: (...args: NetworkEvents[E]) => void): void {
    this.#events.off(event, listener);
  }

  readonly #onConnect = (event: CustomEvent<PeerId>): void => this.#peers.connected(event.detail.toString());

  readonly #onDisconnect = (event: CustomEvent<PeerId>): void => {
    const nodeId = event.detail.toString();
    this.#peers.disconnected(nodeId);
    this.#dialers.disconnected(nodeId);
  };

  readonly #onOpen = ({ detail }: CustomEvent<Connection>): void => this.#dialers.opened(detail);

  readonly #onIdentify = ({ detail }: CustomEvent<IdentifyResult>): void => this.#dialers.identified(detail);

  async #start(): Promise<void> {
    const { listen, announce = [], bootstrap = [] } = this.#init;
    checkAddresses([...listen, ...bootstrap]);
    checkAnnounced(announce, this.nodeId);
    const libp2p = await createMeshLibp2p({
      privateKey: this.#privateKey,
      listen,
      announce,
      origins: this.#init.origins ?? [],
      limits: this.#limits,
      gater: this.#gate.gater,
      encryption: this.#encryption,
      penalty: (nodeId) => this.#penalties.of(nodeId),
      onDiscovered: this.#init.mdns === true ? this.#dialers.discovered : null,
    });
    this.#connections.attach(libp2p);
    libp2p.addEventListener('peer:connect', this.#onConnect);
    libp2p.addEventListener('peer:disconnect', this.#onDisconnect);
    libp2p.addEventListener('connection:open', this.#onOpen);
    libp2p.addEventListener('peer:identify', this.#onIdentify);
    await libp2p.handle(PING_PROTOCOL, this.#pinger.serve, { maxInboundStreams: PING_STREAMS });
    await libp2p.handle(SESSION_PROTOCOL, this.#sessionNotes.serve, { maxInboundStreams: SESSION_STREAMS });
    this.#exchange.attach(libp2p);
    await libp2p.start();
    guardGossip(libp2p.services.pubsub, { clock: this.#clock, limits: this.#limits });
    this.#gossip.attach(libp2p.services.pubsub);
    this.#dialers.start();
    this.#forgetting.start();
  }

  readonly #cutOff = (nodeId: string, reason: string): void => {
    this.#log.warn({ peer: nodeId, reason }, 'Cut off a peer that sent garbage');
    this.#gate.refuse(nodeId);
    this.#connections.drop(nodeId, reason);
  };
}
