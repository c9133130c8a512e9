import { type Logger, pino } from 'pino';
import { nodeIdOf } from '../../src/capsule/identity.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { nodeCrypto } from '../../src/lib/crypto-node.ts';
import { toHex } from '../../src/lib/hex.ts';
import type { NetworkLimits } from '../../src/network/limits.ts';
import { MemoryHub } from '../../src/network/memory-hub.ts';
import { MemoryNetwork } from '../../src/network/memory-network.ts';

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
