import type { Logger } from 'pino';
import { Type } from 'typebox';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { ModelExecution, WasmExecution } from '../../protocols/receipt/v1/schema.ts';
import { checkOf } from '../lib/check.ts';
import type { Clock } from '../lib/clock.ts';
import type { Signer } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';
import { canonicalJson, deepFreeze } from '../lib/json.ts';
import type { Standing } from '../lib/queue.ts';
import { cutText } from '../lib/text.ts';
import type { Transaction } from '../store/types.ts';
import type { CapabilityApi, ModelsApi, NetworkApi, SealApi, StorageApi } from './capability.ts';
import type { EngineModule } from './module.ts';
import type { ModuleStorage } from './module-storage.ts';
import { undeclared } from './permission-errors.ts';
import { PermissionUse } from './permission-use.ts';
import type { PermissionBook } from './permissions.ts';
import type { Namespace, Scope, ScopeFacts } from './runners/runner.ts';
import { type ModelsPort, scopedModels } from './scoped-models.ts';
import { scopedNetwork, type Webhooks } from './scoped-network.ts';
import { scopedSeal } from './scoped-seal.ts';
import { ScopedStorage } from './scoped-storage.ts';
import type { StorageLocks } from './storage-lock.ts';

/** Characters of one streamed piece, and of a stage: what one `capsule_progress` carries (protocols/messages). */
const MAX_DELTA_CHARS = 65_536;
const MAX_STAGE_CHARS = 128;
const MAX_LOG_CHARS = 1_000;
/** Canonical bytes of what a receipt holds about a model's work. */
const MAX_EXECUTION_BYTES = 16_384;

/** What all intents share. */
export interface ScopeComponents {
  clock: Clock;
  log: Logger;
  storage: ModuleStorage;
  locks: StorageLocks;
  permissions: PermissionBook;
  fetch: typeof globalThis.fetch;
  /** The operator's, for `network:config`. */
  webhooks: Webhooks;
  /** Absent on a node without a model server. */
  models: ModelsPort | undefined;
  /** This node's key; a capability reaches it through `seal` only. */
  signer: Signer;
  /** 64-hex identity of this node. */
  identity: string;
  standing: (identity: string) => Standing;
}

export interface ScopeInit {
  module: EngineModule;
  signal: AbortSignal;
  /** 64-hex identity on whose behalf the intent runs. */
  origin: string;
  raw: string;
  onProgress: ((update: { delta?: string; stage?: string }) => void) | undefined;
}

/** The API of one intent, and what remains of it: permissions used, staged writes, what was recorded of it. */
export class IntentScope implements Scope<CapabilityApi> {
  readonly permissions: PermissionUse;
  readonly api: CapabilityApi;
  execution: ModelExecution | WasmExecution | null = null;
  readonly #components: ScopeComponents;
  readonly #init: ScopeInit;
  #storage: ScopedStorage | undefined;

  constructor(components: ScopeComponents, init: ScopeInit) {
    this.#components = components;
    this.#init = init;
    this.permissions = new PermissionUse(init.module, components.permissions);
    this.api = new ScopedApi(components, init, {
      permissions: this.permissions,
      storage: () => {
        this.#storage ??= new ScopedStorage({
          ...components,
          permissions: this.permissions,
          signal: init.signal,
        });
        return this.#storage.api;
      },
      recordExecution: (execution) => {
        this.execution = execution;
      },
    });
  }

  touched(namespace: Namespace): void {
    try {
      void this.api[namespace];
      // Which host or webhook it would have been is for a request to say.
      if (namespace !== 'network') this.permissions.use(namespace);
    } catch {
      // Noted by the refusal itself; the code has been told already.
    }
  }

  facts(): ScopeFacts {
    const { clock, identity: node, standing, signer } = this.#components;
    const { module, origin } = this.#init;
    const facts = factsOf(module, this.#components.permissions, clock.now());
    return {
      ...facts,
      identity: facts.granted.includes('identity') ? { node, origin, standing: standing(origin) } : null,
      sealKey: module.declared.has('seal') ? signer.identity : null,
    };
  }

  /** Stages what the intent wrote; null where it wrote nothing. */
  applyWrites(tx: Transaction): string | null {
    return this.#storage?.apply(tx) ?? null;
  }

  /** From here on the API throws. Lets the next intent into the storage. */
  close(): void {
    this.permissions.end();
    this.#storage?.close();
  }
}

/** What any code of a module is told of itself. */
export function factsOf(
  { manifest, declared, config }: EngineModule,
  book: Pick<PermissionBook, 'granted'>,
  now: number,
): ScopeFacts {
  const granted = [...declared].filter((permission) => book.granted(manifest.id, permission));
  return {
    module: manifest.id,
    declared: [...declared],
    granted,
    config,
    now,
    identity: null,
    sealKey: null,
  };
}

interface ScopeParts {
  permissions: PermissionUse;
  storage: () => StorageApi;
  recordExecution: (execution: ModelExecution | WasmExecution) => void;
}

/** A namespace that the manifest does not declare throws as soon as it is touched (capability.ts `CapabilityApi`). */
class ScopedApi implements CapabilityApi {
  static {
    Object.freeze(ScopedApi.prototype);
  }

  readonly signal: AbortSignal;
  readonly config: JsonObject;
  readonly #components: ScopeComponents;
  readonly #init: ScopeInit;
  readonly #parts: ScopeParts;
  #network: NetworkApi | undefined;
  #models: ModelsApi | undefined;
  #seal: SealApi | undefined;

  constructor(components: ScopeComponents, init: ScopeInit, parts: ScopeParts) {
    this.signal = init.signal;
    this.config = init.module.config;
    this.#components = components;
    this.#init = init;
    this.#parts = parts;
    Object.freeze(this);
  }

  now(): number {
    return this.#components.clock.now();
  }

  get storage(): StorageApi {
    this.#assertDeclared('storage');
    return this.#parts.storage();
  }

  get network(): NetworkApi {
    const { permissions } = this.#parts;
    const declared = [...this.#init.module.declared].some((permission) => permission.startsWith('network:'));
    if (!declared) throw permissions.refuse('network', undeclared(permissions.moduleId, 'network'));
    this.#network ??= scopedNetwork({
      fetch: this.#components.fetch,
      permissions,
      signal: this.signal,
      webhooks: this.#components.webhooks,
    });
    return this.#network;
  }

  get models(): ModelsApi {
    this.#assertDeclared('models');
    this.#models ??= scopedModels(this.#components.models, this.signal, this.#parts.permissions);
    return this.#models;
  }

  get seal(): SealApi {
    this.#assertDeclared('seal');
    this.#seal ??= scopedSeal(this.#components.signer, this.#parts.permissions, this.#init.origin);
    return this.#seal;
  }

  get progress(): CapabilityApi['progress'] {
    this.#assertDeclared('progress');
    const { permissions } = this.#parts;
    const { onProgress } = this.#init;
    return ({ delta = '', stage }) => {
      permissions.use('progress');
      if (onProgress === undefined) return;
      if (stage !== undefined) onProgress({ stage: cutText(stage, MAX_STAGE_CHARS) });
      for (const piece of piecesOf(delta)) onProgress({ delta: piece });
    };
  }

  get log(): CapabilityApi['log'] {
    this.#assertDeclared('log');
    const { log } = this.#components;
    const { module, raw } = this.#init;
    const { permissions } = this.#parts;
    return (message, context) => {
      permissions.use('log');
      const fields = { module: module.manifest.id, raw, ...(context && { context }) };
      log.info(fields, String(message).slice(0, MAX_LOG_CHARS));
    };
  }

  get identity(): CapabilityApi['identity'] {
    this.#assertDeclared('identity');
    this.#parts.permissions.use('identity');
    const { identity: node, standing } = this.#components;
    const { origin } = this.#init;
    return Object.freeze({ node, origin, standing: standing(origin) });
  }

  recordExecution(execution: ModelExecution | WasmExecution): void {
    if ('model' in execution) this.#parts.permissions.use('models');
    else this.#parts.permissions.assertRunning();
    this.#parts.recordExecution(checkExecution(execution));
  }

  #assertDeclared(permission: string): void {
    const { permissions } = this.#parts;
    permissions.assertRunning();
    if (!permissions.declares(permission)) {
      throw permissions.refuse(permission, undeclared(permissions.moduleId, permission));
    }
  }
}

/** Never cut between the two halves of a character. */
function* piecesOf(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    let piece = text.slice(at, at + MAX_DELTA_CHARS);
    if (at + piece.length < text.length && !piece.isWellFormed()) piece = piece.slice(0, -1);
    at += piece.length;
    yield piece.toWellFormed();
  }
}

const executionCheck = checkOf(Type.Union([ModelExecution, WasmExecution]));

/** Detached from the capability, and certain to fit into a receipt. Throws `internal`. */
function checkExecution(execution: ModelExecution | WasmExecution): ModelExecution | WasmExecution {
  const canonical = executionCheck.accepts(execution) ? canonicalJson(execution) : '';
  if (canonical === '' || Buffer.byteLength(canonical) > MAX_EXECUTION_BYTES) {
    throw new MeshError('internal', 'The capability recorded an execution that does not fit into a receipt.');
  }
  // What it took is for the node to say.
  const { use, ...recorded }: ModelExecution | WasmExecution = JSON.parse(canonical);
  return deepFreeze(recorded);
}
