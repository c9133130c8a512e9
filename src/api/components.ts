import type { Logger } from 'pino';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import type { Engine } from '../engine/types.ts';
import type { Ledger } from '../ledger/types.ts';
import type { Clock } from '../lib/clock.ts';
import type { Crypto } from '../lib/crypto.ts';
import type { Decision, Provider } from '../market/types.ts';
import type { Network } from '../network/types.ts';
import type { CapsuleStore } from '../store/types.ts';
import type { Principals } from './principal.ts';
import type { QuotaInit } from './quotas.ts';
import type { CapsuleDraft, CapsuleView, MeshEvent, Workflow } from './schemas/capsules.ts';
import type { Reconciliation } from './schemas/credits.ts';
import type { NodeStatus } from './schemas/node.ts';

export interface SubmitOptions {
  /** Only this node may execute it. */
  executor?: string;
  /** Its signature was made or verified here just now. */
  signedHere?: boolean;
}

/** What HTTP asks of the exchange. */
export interface Capsules {
  /** Resolves when the capsule is durable. The same capsule twice gives the same id. Throws `MeshError`. */
  submit(capsule: unknown, options?: SubmitOptions): Promise<{ id: string }>;
  view(id: string): Promise<CapsuleView | undefined>;
  /** Throws `not_found`, and `conflict` when it has ended. */
  cancel(id: string): Promise<void>;
  explain(id: string): Decision[];
  /** Every new event, of one capsule or of all. Returns the removal. */
  follow(listener: (event: MeshEvent) => void, options?: { capsuleId?: string }): () => void;
  /** Earlier events, in order, as many at a time as the caller wants; `position` is the `since` of the next piece. */
  eventsAfter(range: { since: number; capsuleId?: string; limit: number }): {
    events: MeshEvent[];
    position: number;
    /** Events after `since`, of any capsule, that are remembered no more. */
    forgotten: number;
  };
  /** Number of the newest event. */
  readonly newestEvent: number;
}

/** Chains of capsules as trees. */
export interface Workflows {
  /** The one that a capsule belongs to. */
  of(id: string): Workflow | undefined;
  /** Newest first. */
  list(options: {
    limit?: number;
    cursor?: string;
    signal?: AbortSignal;
  }): Promise<{ items: Workflow[]; cursor: string | null }>;
}

/** Sealing and verifying (archive-v0.6). */
export interface Archives {
  /**
   * The whole archive, encrypted where there are `recipients` (64-hex X25519 keys). Throws `not_found`, `conflict` while
   * the workflow is under way, `too_large`.
   */
  sealWorkflow(
    id: string,
    options: { recipients: string[]; signal: AbortSignal },
  ): Promise<{ bytes: Uint8Array; archiveId: string }>;
  /**
   * The report (`src/archive/report.ts`), whatever the bytes are; the node's other work goes on meanwhile. Throws
   * `too_large` where it takes too much memory.
   */
  verify(
    bytes: Uint8Array,
    options: { allowlist?: string[]; strict: boolean; signal: AbortSignal },
  ): Promise<JsonObject>;
}

export interface ApiComponents {
  capsules: Capsules;
  workflows: Workflows;
  archives: Archives;
  store: Pick<CapsuleStore, 'list' | 'row' | 'open'>;
  /** Holders of tokens beside the owner. */
  principals: Principals;
  /** Completes and signs as this node (see `draft.ts`). Throws `invalid_request` where it is another's to sign. */
  signDraft(draft: CapsuleDraft): Capsule;
  engine: Pick<Engine, 'offers' | 'modules' | 'trust' | 'receipts' | 'permissions'>;
  ledger: Pick<Ledger, 'balance' | 'balances' | 'history' | 'verify'> & {
    /** False when `grant:<id>` is booked already. */
    grant(account: string, microAmount: number, id: string): Promise<boolean>;
  };
  /** Compares this book with that node's. Rejects with `unreachable` or `timeout`. */
  reconcile(nodeId: string, options: { signal: AbortSignal }): Promise<Reconciliation>;
  market: {
    /** Known providers of one capability or of all, best first within each. */
    providers(options: { capability?: string; limit: number }): Provider[];
  };
  network: Pick<Network, 'nodeId' | 'peers'>;
  node: {
    status(): NodeStatus | Promise<NodeStatus>;
    /** Whether it takes work: everything started, nothing stopping. */
    ready(): boolean;
  };
  crypto: Crypto;
  clock: Clock;
  log: Logger;
}

export interface ApiInit {
  /** Address and port to bind; port 0 takes a free one. */
  host: string;
  port: number;
  /** Further `name` or `name:port` under which it may be called. */
  hosts: readonly string[];
  /** The bearer token; null, on loopback only, asks for none. */
  token: string | null;
  /** The address to print for people, where it is another than the one listened on; null else. */
  publicUrl: string | null;
  /** This node's 64-hex key. */
  identity: string;
  /** Credits that an identity may owe this node, where the operator did not name it. */
  creditLimit: number;
  version: string;
  /** Folder of the files that are served to browsers; the node's own where it is left out. */
  assets?: string;
  /** Of each principal but the owner. */
  quotas: QuotaInit;
}
