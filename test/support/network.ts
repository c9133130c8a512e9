import { type Logger, pino } from 'pino';
import type { ExchangeMessage, GossipMessage } from '../../protocols/messages/v1/schema.ts';
import { nodeIdOf } from '../../src/capsule/identity.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { nodeCrypto } from '../../src/lib/crypto-node.ts';
import { toHex } from '../../src/lib/hex.ts';
import { createLibp2pNetwork, type Libp2pNetworkInit } from '../../src/network/libp2p-network.ts';
import type { NetworkLimits } from '../../src/network/limits.ts';
import { MemoryHub } from '../../src/network/memory-hub.ts';
import { MemoryNetwork } from '../../src/network/memory-network.ts';
import type { Network, NetworkEvents } from '../../src/network/types.ts';

/** A fixed seed for a number from 0 to 255. */
export function seedOf(number: number): Uint8Array {
  return new Uint8Array(32).fill(number);
}

/** The node id of a seed. */
export function nodeIdOfSeed(seed: Uint8Array): string {
  return nodeIdOf(toHex(nodeCrypto.publicKey(seed)));
}

export const silentLog: Logger = pino({ level: 'silent' });

export interface MemoryMesh {
  hub: MemoryHub;
  nodes: MemoryNetwork[];
  stop(): Promise<void>;
}

/** Started memory networks on one hub, every two connected unless `connect` is false; seeds 1, 2, 3, … */
export async function memoryMesh(
  count: number,
  options: { clock?: Clock; connect?: boolean; limits?: Partial<NetworkLimits> } = {},
): Promise<MemoryMesh> {
  const { clock, connect = true, limits = {} } = options;
  const clocked = clock === undefined ? {} : { clock };
  const hub = new MemoryHub(clocked);
  const nodes = Array.from({ length: count }, (_, index) => {
    return new MemoryNetwork(
      { hub, log: silentLog, ...clocked },
      { nodeId: nodeIdOfSeed(seedOf(index + 1)), limits },
    );
  });
  for (const node of nodes) await node.start();
  for (const node of connect ? nodes : []) {
    for (const other of nodes) if (other.nodeId > node.nodeId) await node.dial(`/memory/p2p/${other.nodeId}`);
  }
  return {
    hub,
    nodes,
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

/** A libp2p network on the loopback, not started; TCP on a free port unless `init` says otherwise. */
export function libp2pNode(seed: number, init: Partial<Libp2pNetworkInit> = {}): Network {
  return createLibp2pNetwork(
    { log: silentLog, clock: systemClock, crypto: nodeCrypto },
    { seed: seedOf(seed), listen: ['/ip4/127.0.0.1/tcp/0'], ...init },
  );
}

/** The first address a started network can be dialled at. */
export function addressOf(network: Network): string {
  const [address] = network.addresses();
  if (address === undefined) throw new Error('The network has no address');
  return address;
}

/** Resolves with the arguments of the next such event that `matches`. */
export function nextEvent<E extends keyof NetworkEvents>(
  network: Network,
  event: E,
  matches: (...args: NetworkEvents[E]) => boolean = () => true,
): Promise<NetworkEvents[E]> {
  return new Promise((resolve) => {
    const listener = (...args: NetworkEvents[E]): void => {
      if (!matches(...args)) return;
      network.off(event, listener);
      resolve(args);
    };
    network.on(event, listener);
  });
}

/** The smallest message of the exchange; unknown fields are allowed, so `extra` may pad it. */
export function query(exchangeId: string, extra: object = {}): ExchangeMessage {
  return { type: 'capability_query', exchangeId, ...extra };
}

/** The id of a `query`, by which tests tell messages apart; empty for what is said of a capsule. */
export function idOf(message: ExchangeMessage): string {
  return 'exchangeId' in message ? message.exchangeId : '';
}

export function advertisement(nodeId: string, sequence: number): GossipMessage {
  return {
    type: 'capability_advertisement',
    nodeId,
    encryptionKey: null,
    capabilities: [],
    sequence,
    timestamp: 1_700_000_000_000,
  };
}
