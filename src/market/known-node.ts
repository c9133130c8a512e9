import type { Entry, Standing } from './entry.ts';
import { hash32 } from './hash.ts';

/** About what the heap keeps for a node without its offers; measured. */
const NODE_BYTES = 1_024;

/** A node that offers something. */
export interface KnownNode {
  readonly nodeId: string;
  readonly point: number;
  readonly entries: Map<string, Entry>;
  standing: Standing;
  /** This node shook hands with it once. */
  proven: boolean;
  /** Of whose deliveries it is a part; undefined while it is none of them. */
  share: string | undefined;
  sequence: number | undefined;
  /** Monotonic milliseconds of the last advertisement or bid. */
  heardAt: number;
  /** With its offers. */
  bytes: number;
}

export function newNode(
  nodeId: string,
  known: Pick<KnownNode, 'standing' | 'proven' | 'sequence' | 'heardAt'>,
): KnownNode {
  return { nodeId, point: hash32(nodeId), entries: new Map(), share: undefined, bytes: NODE_BYTES, ...known };
}
