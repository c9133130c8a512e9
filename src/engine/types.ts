import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import type { CapabilityManifest, ManifestCapability } from '../../protocols/manifest/v1/schema.ts';
import type { Receipt } from '../../protocols/receipt/v1/schema.ts';
import type { Startable } from '../lib/lifecycle.ts';
import type { Page, Reader, Transaction } from '../store/types.ts';

/** An intent as callers hand it in; the engine validates and freezes it. */
export interface IntentRequest {
  capability: string;
  action: string;
  payload: JsonObject;
  /** `capsule:<id>` or `direct:<surface>`. */
  raw: string;
  timestamp: number;
  untrusted?: string[];
  /** Identity on whose behalf it runs. */
  origin: string;
}

export interface HandleOptions {
  capsuleId?: string;
  epoch?: number;
  /** Hash of the assignment that it runs under. */
  lease?: string | null;
  /** Credits agreed for it; a receipt charges no more, and nothing for a failure. */
  price?: number | null;
  /** Milliseconds from the moment the code starts; the node's own default and maximum apply on top. */
  timeoutMs?: number;
  signal?: AbortSignal;
  onProgress?: (update: { delta?: string; stage?: string }) => void;
  /**
   * Called synchronously with the signed outcome and the open batch that already holds receipt, state root and
   * the capability's storage writes: whatever must become durable together with them is staged here. Throwing here
   * leaves nothing written.
   */
  commit?: (outcome: Outcome, tx: Transaction) => void;
}

/** Every execution ends in a signed receipt. */
export type Outcome =
  | { status: 'completed'; result: unknown; receipt: Receipt }
  | { status: 'failed'; error: ErrorBody; receipt: Receipt };

/** What this node offers for a capability at this moment. */
export interface LocalOffer {
  capability: ManifestCapability;
  module: string;
  /** Credits. */
  price: number;
  /** Seconds: moving average of what it took here plus the present queue. */
  estimatedLatency: number;
  detail?: JsonObject;
}

export type ModuleState = 'ready' | 'unavailable' | 'safe_mode';

export interface InstalledModule {
  manifest: CapabilityManifest;
  codeHash: string;
  state: ModuleState;
  /** Why it is not `ready`, in one sentence. */
  reason: string | null;
}

export interface ReceiptsVerification {
  ok: boolean;
  receipts: number;
  problems: { sequence: number; receiptHash: string | null; problem: string }[];
}

export interface Engine extends Startable {
  /** The only way to run anything. Resolves when the receipt is durable; rejects only when storage fails. */
  handleIntent(request: IntentRequest, options?: HandleOptions): Promise<Outcome>;
  /** Synchronous and cheap; undefined where the capability is not on offer now. */
  offer(capabilityId: string): LocalOffer | undefined;
  offers(): LocalOffer[];
  modules(): InstalledModule[];
  /** Running and queued over capacity; 1 and above means full. */
  load(): number;
  /** Room for one more intent of this capability. */
  hasRoom(capabilityId: string): boolean;
  /** Called after anything in `offers()` but latency changed. Returns the removal. */
  onOffersChanged(listener: () => void): () => void;
  /** Accepts changed code of a module in safe mode. Throws `not_found`. */
  trust(module: string): Promise<void>;
  receipts: ReceiptLog;
  permissions: Permissions;
}

/** This node's own hash-linked chain; sequence counts from 1. */
export interface ReceiptLog {
  list(options: { limit?: number; cursor?: string }): Promise<Page<{ sequence: number; receipt: Receipt }>>;
  get(receiptHash: string): Receipt | undefined;
  /** For a capsule that this node executed. */
  ofCapsule(capsuleId: string, reader?: Reader): Receipt | undefined;
  /** Walks all of it: hashes, links, signatures, sequence, state roots; finds any edit, deletion, reordering. */
  verify(): Promise<ReceiptsVerification>;
}

export interface Permissions {
  list(): { module: string; permission: string; declared: boolean; granted: boolean }[];
  granted(module: string, permission: string): boolean;
  /** Throws `not_found` for an unknown module or an undeclared permission. */
  grant(module: string, permission: string): Promise<void>;
  revoke(module: string, permission: string): Promise<void>;
}
