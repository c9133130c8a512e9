import { type GossipSub, gossipsub, StrictSign } from '@libp2p/gossipsub';
import { type Identify, identify } from '@libp2p/identify';
import { type ConnectionGater, FaultTolerance, type PeerInfo, type PrivateKey } from '@libp2p/interface';
import { mdns } from '@libp2p/mdns';
import { tcp } from '@libp2p/tcp';
import { CODE_P2P, type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { createLibp2p, type Libp2p } from 'libp2p';
import type { Logger } from 'pino';
import type { Clock } from '../lib/clock.ts';
import type { Encryption } from './encryption.ts';
import { GOSSIP_BOUNDS } from './gossip-guard.ts';
import type { NetworkLimits } from './limits.ts';
import { guardedYamux } from './muxer.ts';
import { guardedWebSockets } from './web-sockets.ts';

export type MeshServices = { identify: Identify; pubsub: GossipSub };
export type MeshLibp2p = Libp2p<MeshServices>;

export interface Libp2pNodeInit {
  privateKey: PrivateKey;
  listen: readonly string[];
  /** Addresses where others reach this node, told before those that it listens on. */
  announce: readonly string[];
  /** Web origins whose pages may open the WebSocket. */
  origins: readonly string[];
  limits: NetworkLimits;
  gater: ConnectionGater;
  encryption: Encryption;
  /** Misbehaviour of a peer, from 0; subtracts from its gossip score. */
  penalty: (nodeId: string) => number;
  /** Called for what mDNS finds, again and again; null leaves mDNS off. */
  onDiscovered: ((peer: PeerInfo) => void) | null;
}

/** Found by nodes of this mesh only, not by every libp2p program on the network. */
const MDNS_SERVICE = '_capsule-mesh._udp.local';
/** Connections that make room for others and have not closed yet. */
const CLOSING_MAX = 64;
/** Handshakes under way, of all hosts together. */
const PENDING_MAX = 256;
const INBOUND_PER_SECOND_MAX = 1_000;
/** A silent connection lives while pings pass, which is twice within this time. */
const SOCKET_INACTIVITY_MS = 300_000;
/** 8 rejected messages bring a peer below the graylist threshold of -80. */
const PENALTY_WEIGHT = 10;
/** How long gossipsub's own score of a peer outlives its connection: identities cost nothing, and each is a record. */
const SCORE_RETAINED_MS = 60_000;
/** Nodes that one household or test machine runs behind one address are welcome. */
const NO_COLOCATION_PENALTY = 0;

/** libp2p with everything the mesh uses, not started. */
export function createMeshLibp2p(init: Libp2pNodeInit): Promise<MeshLibp2p> {
  const { limits, onDiscovered } = init;
  return createLibp2p<MeshServices>({
    start: false,
    privateKey: init.privateKey,
    nodeInfo: { userAgent: 'capsule-mesh/1' },
    addresses: {
      listen: [...init.listen],
      appendAnnounce: [...init.announce],
      announceFilter: announcedFirst(init.announce),
    },
    transports: [
      tcp({
        inboundSocketInactivityTimeout: SOCKET_INACTIVITY_MS,
        outboundSocketInactivityTimeout: SOCKET_INACTIVITY_MS,
      }),
      guardedWebSockets(init.origins),
    ],
    connectionEncrypters: init.encryption.encrypters(),
    streamMuxers: [guardedYamux()],
    // Every configured address or none: a node that listens on half of them is a mystery to its operator.
    transportManager: { faultTolerance: FaultTolerance.FATAL_ALL },
    connectionManager: {
      // The gate decides, with shares for each host. libp2p's own bounds lie above, and hold nobody off but floods.
      maxConnections: limits.maxConnections + CLOSING_MAX,
      maxIncomingPendingConnections: PENDING_MAX,
      inboundConnectionThreshold: INBOUND_PER_SECOND_MAX,
      dialTimeout: limits.dialTimeoutMs,
      // Several addresses of a peer are dialled side by side, each by a dial of its own.
      addressDialTimeout: limits.dialTimeoutMs,
    },
    // The peer table pings, and drops what does not answer.
    connectionMonitor: { enabled: false },
    connectionGater: init.gater,
    peerDiscovery:
      onDiscovered === null
        ? []
        : [
            (components) => {
              const discovery = mdns({ serviceTag: MDNS_SERVICE })(components);
              discovery.addEventListener('peer', (event) => onDiscovered(event.detail));
              return discovery;
            },
          ],
    services: {
      identify: identify(),
      pubsub: gossipsub({
        globalSignaturePolicy: StrictSign,
        ...GOSSIP_BOUNDS,
        // Nobody is dialled because a peer says so.
        scoreThresholds: { acceptPXThreshold: Number.MAX_SAFE_INTEGER },
        // Small meshes: a message reaches every subscriber at once, before a heartbeat has grafted anyone.
        floodPublish: true,
        allowPublishToZeroTopicPeers: true,
        scoreParams: {
          retainScore: SCORE_RETAINED_MS,
          IPColocationFactorWeight: NO_COLOCATION_PENALTY,
          appSpecificWeight: PENALTY_WEIGHT,
          appSpecificScore: (nodeId) => -init.penalty(nodeId),
        },
      }),
    },
  });
}

/** A peer that hears of more addresses than it keeps, keeps the first. */
function announcedFirst(announce: readonly string[]): (addresses: Multiaddr[]) => Multiaddr[] {
  const announced = announce.map((address) => multiaddr(address).decapsulateCode(CODE_P2P).toString());
  const isAnnounced = (address: Multiaddr): boolean =>
    announced.includes(address.decapsulateCode(CODE_P2P).toString());
  return (addresses) => addresses.toSorted((a, b) => Number(isAnnounced(b)) - Number(isAnnounced(a)));
}

/** Stops it, and cuts its connections where that takes more than `ms`. */
export function stopWithin(
  ms: number,
  libp2p: MeshLibp2p,
  { clock, log, encryption }: { clock: Clock; log: Logger; encryption: Encryption },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => {
      log.warn('The network did not close in time; its connections are cut');
      for (const connection of libp2p.getConnections()) connection.abort(new Error('The node is stopping'));
      resolve();
    });
    encryption
      .flush()
      .then(() => libp2p.stop())
      .then(resolve, reject)
      .finally(cancel);
  });
}
