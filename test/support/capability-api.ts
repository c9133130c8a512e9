import type { JsonObject, JsonValue } from '../../protocols/common/v1/schema.ts';
import type { ModelExecution, WasmExecution } from '../../protocols/receipt/v1/schema.ts';
import type {
  CapabilityApi,
  Intent,
  ModelsApi,
  NetworkApi,
  SealApi,
  StorageApi,
} from '../../src/engine/capability.ts';

export interface MemoryApiOptions {
  origin?: string;
  standing?: CapabilityApi['identity']['standing'];
  signal?: AbortSignal;
  config?: JsonObject;
  /** ms since the epoch that `now()` gives. */
  now?: number;
  /** Shared between two APIs to act as two intents on one node. */
  storage?: Map<string, JsonValue>;
  fetch?: NetworkApi['fetch'];
  webhook?: NetworkApi['webhook'];
  models?: ModelsApi;
  seal?: SealApi;
}

/** What a capability did through the API. */
export interface MemoryApi {
  api: CapabilityApi;
  storage: Map<string, JsonValue>;
  logs: { message: string; context: JsonObject | undefined }[];
  progress: { delta?: string; stage?: string }[];
  executions: (ModelExecution | WasmExecution)[];
}

/** A `CapabilityApi` in memory. It enforces no permissions: that is the engine's part, tested with the engine. */
export function memoryApi(options: MemoryApiOptions = {}): MemoryApi {
  const storage = options.storage ?? new Map<string, JsonValue>();
  const logs: MemoryApi['logs'] = [];
  const progress: MemoryApi['progress'] = [];
  const executions: (ModelExecution | WasmExecution)[] = [];
  const absent = () => Promise.reject(new Error('this test gave no such namespace'));
  const api: CapabilityApi = {
    signal: options.signal ?? new AbortController().signal,
    now: () => options.now ?? 1_700_000_000_000,
    storage: memoryStorage(storage),
    network: { fetch: options.fetch ?? absent, webhook: options.webhook ?? absent },
    models: options.models ?? { list: absent, chat: absent, embed: absent },
    seal: options.seal ?? { publicKey: 'b'.repeat(64), sign: absent },
    progress: (update) => progress.push(update),
    log: (message, context) => logs.push({ message, context }),
    identity: {
      node: 'b'.repeat(64),
      origin: options.origin ?? 'a'.repeat(64),
      standing: options.standing ?? 'known',
    },
    recordExecution: (execution) => executions.push(execution),
    config: options.config ?? {},
  };
  return { api, storage, logs, progress, executions };
}

/** An intent whose action is the capability itself. */
export function intentOf(capability: string, payload: JsonObject, more: Partial<Intent> = {}): Intent {
  return {
    action: capability,
    capability,
    payload,
    raw: `capsule:${'c'.repeat(64)}`,
    timestamp: 1_700_000_000_000,
    untrusted: [],
    ...more,
  };
}

function memoryStorage(values: Map<string, JsonValue>): StorageApi {
  return {
    get: async (key) => structuredClone(values.get(key)),
    put: async (key, value) => void values.set(key, structuredClone(value)),
    delete: async (key) => void values.delete(key),
    list: async ({ prefix = '', after = '', limit = 100 } = {}) =>
      [...values.keys()]
        .filter((key) => key.startsWith(prefix) && key > after)
        .sort()
        .slice(0, limit),
  };
}
