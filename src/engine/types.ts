import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import type { CapabilityManifest, ManifestCapability } from '../../protocols/manifest/v1/schema.ts';
import type { Receipt } from '../../protocols/receipt/v1/schema.ts';
import type { Startable } from '../lib/lifecycle.ts';
import type { Standing } from '../lib/queue.ts';
import type { Page, Transaction } from '../store/types.ts';

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

export type { Standing };

/** A place in the engine's queue, counted from the moment of admission. Whoever has one passes it on or releases it. */
export interface Ticket {
  /** Again is fine. */
  release(): void;
}

export interface HandleOptions {
  /** From `admit`; the engine releases it. Without one a place is sought now, and not finding one ends as `busy`. */
  ticket?: Ticket;
  capsuleId?: string;
  epoch?: number;
  /** Hash of the assignment that it runs under. */
  lease?: string | null;
  /** Credits agreed for it, at most six decimals; a receipt charges no more, and nothing for a failure. */
  price?: number | null;
  /** Milliseconds from the moment the code starts; the node's own default and maxima apply on top. */
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

/** Every execution ends in a signed receipt, which is the node's `sequence`th. */
export type Outcome =
  | { status: 'completed'; result: unknown; receipt: Receipt; sequence: number }
  | { status: 'failed'; error: ErrorBody; receipt: Receipt; sequence: number };

/** What this node offers for a capability at this moment. */
export interface LocalOffer {
  capability: ManifestCapability;
  module: string;
  /** Credits. */
  price: number;
  /** Seconds: moving average of what it took here plus the present queue. */
  estimatedLatency: number;
  /** Not for others than the node itself. */
  ownOnly?: boolean;
  /** Whether it may run twice: what was asked for, and what the action makes of it. */
  idempotent: boolean;
  detail?: JsonObject;
}

export type ModuleState = 'ready' | 'unavailable' | 'safe_mode';

export interface InstalledModule {
  manifest: CapabilityManifest;
  codeHash: string;
  state: ModuleState;
  /** Why it is not `ready`, or why not all that it has is on offer, in one sentence. */
  reason: string | null;
}

export interface ReceiptsVerification {
  ok: boolean;
  receipts: number;
  problems: { sequence: number; receiptHash: string | null; problem: string }[];
}

export interface Engine extends Startable {
  /** The only way to run anything. Resolves when the receipt is durable; rejects when storage fails, or for a `price` that is none. */
  handleIntent(request: IntentRequest, options?: HandleOptions): Promise<Outcome>;
  /**
   * A place for one intent of this capability, on behalf of the identity `origin`: taken at once, so that orders on
   * their way count. An `ErrorBody` (`busy`, `capability_unavailable`) where there is none.
   */
  admit(capabilityId: string, origin: string): Ticket | ErrorBody;
  /**
   * Synchronous and cheap; undefined where the capability is not on offer now. `action` is what the intent will
   * name, where that is something else than the capability.
   */
  offer(capabilityId: string, action?: string): LocalOffer | undefined;
  offers(): LocalOffer[];
  modules(): InstalledModule[];
  /** Running and queued over capacity; 1 and above means full. */
  load(): number;
  /** Whether `admit` would give a place now; to the node itself where no origin is named. */
  hasRoom(capabilityId: string, origin?: string): boolean;
  /** Called when there is room again after somebody found none; once for all that became free together. Returns the removal. */
  onRoom(listener: () => void): () => void;
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
  /** One look-up; `Outcome` says the number. */
  at(sequence: number): Receipt | undefined;
  /** Goes through the index of all hashes, the newest first. */
  get(receiptHash: string, options?: { signal?: AbortSignal }): Promise<Receipt | undefined>;
  /** Walks all of it: hashes, links, signatures, sequence, state roots; finds any edit, deletion, reordering. */
  verify(options?: { signal?: AbortSignal }): Promise<ReceiptsVerification>;
}

export interface Permissions {
  list(): { module: string; permission: string; declared: boolean; granted: boolean }[];
  granted(module: string, permission: string): boolean;
  /** Throws `not_found` for an unknown module or an undeclared permission. */
  grant(module: string, permission: string): Promise<void>;
  revoke(module: string, permission: string): Promise<void>;
}
