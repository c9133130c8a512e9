import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { Ring } from '../../protocols/common/v1/schema.ts';

export interface Provider {
  nodeId: string;
  capabilityId: string;
  /** Credits. */
  price: number;
  /** Seconds, as advertised: moving average plus the queue. */
  estimatedLatency: number;
  ring: Exclude<Ring, 'local'>;
  /** Whether this node ever shook hands with it. */
  proven: boolean;
  roundTripMs: number;
  /** Whether the same work may be run a second time. */
  idempotent: boolean;
  detail?: Record<string, unknown>;
  /** Milliseconds since the last advertisement, by this node's monotonic clock. */
  ageMs: number;
}

export type ExclusionReason =
  | 'price_above_amount'
  /** It lists its models, and the one that the capsule names is not among them. */
  | 'no_model'
  | 'not_granted'
  | 'circuit_open'
  | 'busy'
  | 'already_tried'
  | 'not_requested';

export interface Candidate {
  /** `local` stands for this node. */
  nodeId: string;
  score: number;
  /** What a lease would name: the capsule's amount, or where its rule charges by price what the provider asks; 0 unpaid. */
  price: number;
  latencySeconds: number;
  ring: Ring;
  /** Whether this node ever shook hands with it; a provider that it did not is ranked after all that it did. */
  proven: boolean;
  /** Whether it may be run a second time, by the offer's word. */
  idempotent: boolean;
  /** One short sentence for `capsule explain`. */
  reason: string;
}

/** The stored decision: what was considered, how it scored, what was left out and why. */
export interface Decision {
  at: number;
  capsuleId: string;
  capabilityId: string;
  /** Best first, at most 16. */
  ranking: Candidate[];
  /** At most 16 are named; `note` is what the node itself gave as its reason. */
  excluded: { nodeId: string; reason: ExclusionReason; note?: string }[];
  /** How many were left out, by reason; of all that are known where none was ranked, else of those looked at. */
  excludedBy: Partial<Record<ExclusionReason, number>>;
  /** All providers in the table, named or not. */
  providersKnown: number;
  weights: { price: number; latency: number; distance: number };
  /** True where everybody was excluded and the least bad is tried. */
  leastBad: boolean;
}

export interface ChooseOptions {
  /** Nodes that refused or failed this capsule before. */
  tried?: ReadonlySet<string>;
  /** Only this node (`--on`). */
  only?: string;
  now: number;
}

/** Pure with regard to its inputs: the table, the local offer and peer health. */
export interface Scheduler {
  /** An empty ranking where there is no candidate. Never awaits; cost is O(log n) in the providers of the capability. */
  choose(capsule: Capsule, options: ChooseOptions): Decision;
  /**
   * Nodes that offer the capability, this one included; where there is none, the known name most like it. `heard`: some
   * other node has told what it offers.
   */
  knows(capabilityId: string): { providers: number; nearest: string | null; heard: boolean };
}

/**
 * Reports from the exchange, which places orders. Busy, silent and failing are three cases with three treatments (node "Market and
 * scheduler"), known for each capability of a node; only silence is of the node as a whole.
 */
export interface PeerHealth {
  /** Work is being handed to it: while its circuit is half-open, this is the one trial. */
  attempted(nodeId: string, capabilityId: string): void;
  /** It said no for now: left out until `retryAfterMs` has passed. Not a failure. */
  declinedBusy(nodeId: string, capabilityId: string, retryAfterMs: number): void;
  /** It reported a failure. Only codes that are the provider's own fault count towards opening its circuit. */
  failed(nodeId: string, capabilityId: string, code: string): void;
  /** It took the work, and its connection or its heartbeats stopped: a failure, and it goes last until it is heard of. */
  lost(nodeId: string, capabilityId: string): void;
  /** It left an order unanswered: it goes last until it is heard of. */
  silent(nodeId: string, capabilityId: string): void;
  /** Anything came from it directly: a message, a connection, its own advertisement. */
  heardOf(nodeId: string): void;
  succeeded(nodeId: string, capabilityId: string): void;
  /** It said that the capsule cannot be done, and another node did it: a failure. */
  disproved(nodeId: string, capabilityId: string): void;
}
