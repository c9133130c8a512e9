import type { Logger } from 'pino';
import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import type { Clock } from '../lib/clock.ts';
import type { Crypto, Signer } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';
import { type FaultPoints, noFaultPoints } from '../lib/fault-points.ts';
import { type Standing, WorkQueue } from '../lib/queue.ts';
import { damaged } from '../store/failure.ts';
import type { Database } from '../store/types.ts';
import { Admission } from './admission.ts';
import { AvailabilityMonitor } from './availability.ts';
import { IntentHandler } from './handle-intent.ts';
import { LatencyTracker } from './latency.ts';
import type { EngineCapability, ModuleSource } from './module.ts';
import { ModuleStorage } from './module-storage.ts';
import { PermissionBook } from './permissions.ts';
import { ReceiptChain } from './receipt-chain.ts';
import { ReceiptBook } from './receipt-log.ts';
import { Registry } from './registry.ts';
import { Router } from './router.ts';
import type { ModelsPort } from './scoped-models.ts';
import type { Webhooks } from './scoped-network.ts';
import { StorageLocks } from './storage-lock.ts';
import type {
  Engine,
  HandleOptions,
  InstalledModule,
  IntentRequest,
  LocalOffer,
  Outcome,
  Ticket,
} from './types.ts';

export interface EngineComponents {
  db: Database;
  crypto: Crypto;
  signer: Signer;
  clock: Clock;
  log: Logger;
  /** For `network`; the platform's own unless told. */
  fetch?: typeof globalThis.fetch;
  /** For `models`; absent on a node without a model server. */
  models?: ModelsPort;
  faults?: FaultPoints;
}

/** Durations in milliseconds. */
export interface EngineInit {
  modules: readonly ModuleSource[];
  /** Sections of the configuration, by module id. */
  config?: ReadonlyMap<string, JsonObject>;
  /** Credits by capability id, where the operator asks for something else than the manifest. */
  prices?: ReadonlyMap<string, number>;
  /** The operator's, by name, for `network:config`. */
  webhooks?: Webhooks;
  /** Whether a declared permission is granted where the operator has not decided; none is unless told. */
  grantedByDefault?: (module: string, permission: string) => boolean;
  /** Intents that run at once, over all capabilities. */
  concurrency?: number;
  /** Intents that may wait, over all capabilities and for one, half of all unless told. */
  maxWaiting?: number;
  maxWaitingPerCapability?: number;
  defaultTimeoutMs?: number;
  maxTimeoutMs?: number;
  /** What a stranger's intent may have at most. */
  strangerTimeoutMs?: number;
  /** Whose work it is, by identity; all but the node's own are `known` unless told. */
  standing?: (identity: string) => Standing;
  probeIntervalMs?: number;
  probeTimeoutMs?: number;
  /** How long `stop` lets running intents finish before it interrupts them. */
  drainMs?: number;
}

export const DEFAULT_ENGINE_INIT = {
  concurrency: 64,
  maxWaiting: 1_024,
  defaultTimeoutMs: 120_000,
  maxTimeoutMs: 3_600_000,
  strangerTimeoutMs: 60_000,
  probeIntervalMs: 10_000,
  probeTimeoutMs: 5_000,
  drainMs: 5_000,
} as const;

/** Everything a node can run, and the only way to run it (node "One way for a capsule"). */
export class MeshEngine implements Engine {
  readonly receipts: ReceiptBook;
  readonly permissions: PermissionBook;
  readonly #clock: Clock;
  readonly #drainMs: number;
  readonly #registry: Registry;
  readonly #queue: WorkQueue;
  readonly #admission: Admission;
  readonly #router: Router;
  readonly #identity: string;
  readonly #latency: LatencyTracker;
  readonly #availability: AvailabilityMonitor;
  readonly #chain: ReceiptChain;
  readonly #storage: ModuleStorage;
  readonly #handler: IntentHandler;
  readonly #offersListeners = new Set<() => void>();
  readonly #roomListeners = new Set<() => void>();
  /** Intents on their way, by the promise of their outcome. */
  readonly #pending = new Set<Promise<Outcome>>();
  #started = false;
  #stopping = false;

  constructor(components: EngineComponents, init: EngineInit) {
    const { db, crypto, signer, clock, log, models } = components;
    const limits = { ...DEFAULT_ENGINE_INIT, ...init };
    this.#clock = clock;
    this.#drainMs = limits.drainMs;
    const registry = new Registry(
      { db, crypto },
      { ...init, sources: init.modules, onChange: () => this.#tellOffers() },
    );
    const grantedByDefault = init.grantedByDefault ?? (() => false);
    const permissions = new PermissionBook(
      { db, registry },
      { grantedByDefault, onChange: (module) => this.#availability.refresh(module) },
    );
    const storage = new ModuleStorage({ db, crypto });
    const chain = new ReceiptChain({ db, crypto, signer });
    this.#storage = storage;
    const availability = new AvailabilityMonitor(
      { registry, permissions, models, clock, log },
      { ...limits, onChange: () => this.#tellOffers() },
    );
    const queue = new WorkQueue({
      ...limits,
      maxWaitingPerLane: init.maxWaitingPerCapability ?? Math.ceil(limits.maxWaiting / 2),
      onRoom: () => {
        for (const listener of this.#roomListeners) listener();
      },
    });
    const latency = new LatencyTracker({ db });
    const { identity } = signer;
    const standing = init.standing ?? ((origin) => (origin === identity ? 'own' : 'known'));
    const admission = new Admission({
      queue,
      clock,
      standing,
      concurrencyOf: (capability) => availability.concurrencyOf(capability),
    });
    const scope = {
      clock,
      log,
      storage,
      locks: new StorageLocks(),
      permissions,
      fetch: components.fetch ?? globalThis.fetch,
      webhooks: init.webhooks ?? new Map(),
      models,
      signer,
      identity,
      standing,
    };
    const router = new Router({ registry });
    const faults = components.faults ?? noFaultPoints;
    this.#handler = new IntentHandler(
      { db, crypto, clock, log, faults, registry, router, availability, admission, latency, chain, scope },
      limits,
    );
    this.#registry = registry;
    this.#queue = queue;
    this.#admission = admission;
    this.#router = router;
    this.#identity = identity;
    this.#latency = latency;
    this.#availability = availability;
    this.#chain = chain;
    this.permissions = permissions;
    this.receipts = new ReceiptBook({ chain, storage, crypto, identity });
  }

  async start(): Promise<void> {
    if (this.#started) return;
    await this.#registry.load();
    await this.#chain.open();
    if (this.#chain.known.state.storage !== this.#storage.digest()) {
      throw damaged('the storage of the capabilities is not what the newest receipt commits to');
    }
    await this.#installed();
    await this.#availability.start();
    this.#started = true;
  }

  async stop(): Promise<void> {
    if (!this.#started || this.#stopping) return;
    this.#stopping = true;
    await this.#availability.stop();
    await this.#drain();
    await this.#latency.save();
    await this.#chain.saveCheckpoint();
  }

  async handleIntent(request: IntentRequest, options?: HandleOptions): Promise<Outcome> {
    if (!this.#started) {
      options?.ticket?.release();
      throw new MeshError('internal', 'The engine has not been started.');
    }
    const outcome = this.#handler.handle(request, options);
    this.#pending.add(outcome);
    const forget = (): void => void this.#pending.delete(outcome);
    outcome.then(forget, forget);
    return outcome;
  }

  offer(capabilityId: string, action = capabilityId): LocalOffer | undefined {
    const route = this.#router.find(capabilityId, action);
    const offered = this.#availability.offered(capabilityId);
    if (route === undefined || offered === undefined) return undefined;
    const { module, requested: capability, target } = route;
    const average =
      this.#latency.average(capabilityId) ?? offered.estimatedLatency ?? capability.spec.estimatedLatency;
    const ahead = this.#queue.sizeOf(capabilityId) / (offered.maxConcurrent ?? capability.spec.maxConcurrent);
    return {
      capability: capability.spec,
      module: module.manifest.id,
      price: capability.spec.price,
      estimatedLatency: average + ahead * average,
      idempotent: capability.spec.idempotent && target.spec.idempotent,
      ...(offered.ownOnly === true && { ownOnly: true }),
      ...(offered.detail !== undefined && { detail: offered.detail }),
    };
  }

  offers(): LocalOffer[] {
    return this.#capabilities().flatMap(({ spec }) => this.offer(spec.id) ?? []);
  }

  modules(): InstalledModule[] {
    return [...this.#registry.modules()].map(({ manifest, codeHash, state, reason }) => ({
      manifest,
      codeHash,
      state,
      reason,
    }));
  }

  load(): number {
    return this.#queue.load;
  }

  admit(capabilityId: string, origin: string): Ticket | ErrorBody {
    if (this.#stopping) return { code: 'busy', message: 'This node is stopping.' };
    const capability = this.#offeredTo(capabilityId, origin);
    if (capability !== undefined) return this.#admission.admit(capability, origin);
    return { code: 'capability_unavailable', message: `This node does not offer ${capabilityId} now.` };
  }

  hasRoom(capabilityId: string, origin = this.#identity): boolean {
    const capability = this.#offeredTo(capabilityId, origin);
    return capability !== undefined && !this.#stopping && this.#admission.hasRoom(capability, origin);
  }

  onRoom(listener: () => void): () => void {
    this.#roomListeners.add(listener);
    return () => void this.#roomListeners.delete(listener);
  }

  onOffersChanged(listener: () => void): () => void {
    this.#offersListeners.add(listener);
    return () => void this.#offersListeners.delete(listener);
  }

  async trust(module: string): Promise<void> {
    await this.#registry.trust(module);
    await this.#installed();
    await this.#availability.refresh();
    this.#tellOffers();
  }

  #offeredTo(capabilityId: string, origin: string): EngineCapability | undefined {
    const offered = this.#availability.offered(capabilityId);
    const theirs = offered !== undefined && (offered.ownOnly !== true || origin === this.#identity);
    return theirs ? this.#router.capability(capabilityId) : undefined;
  }

  #capabilities(): EngineCapability[] {
    return [...this.#registry.modules()].flatMap((module) => [...module.capabilities.values()]);
  }

  async #installed(): Promise<void> {
    const modules = [...this.#registry.modules()];
    await this.#chain.install(
      modules.map(({ manifest: { id, version }, codeHash }) => ({ id, version, codeHash })),
    );
  }

  /** Lets what runs finish for a while, then interrupts it; in the end every outcome is durable. */
  async #drain(): Promise<void> {
    const interruption = new MeshError('interrupted', 'The node stopped before the work was done.');
    this.#handler.refuseWith(interruption);
    const cancel = this.#clock.after(this.#drainMs, () => this.#handler.abortAll(interruption));
    await Promise.allSettled(this.#pending);
    cancel();
  }

  readonly #tellOffers = (): void => {
    for (const listener of this.#offersListeners) listener();
  };
}
