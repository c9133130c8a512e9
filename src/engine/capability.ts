import type { JsonObject, JsonValue } from '../../protocols/common/v1/schema.ts';
import type { ModelExecution, WasmExecution } from '../../protocols/receipt/v1/schema.ts';

/** What a capability's `run` is given: a frozen value, valid against the manifest's input schema. */
export interface Intent {
  /** The action to perform, one of the manifest's `intents` or a capability id. */
  readonly action: string;
  /** Id of the capability that was asked for and is paid. */
  readonly capability: string;
  readonly payload: JsonObject;
  /** Where it came from: `capsule:<id>` or `direct:<surface>`. */
  readonly raw: string;
  /** ms since the epoch. */
  readonly timestamp: number;
  /** Dotted payload paths that hold another step's result: data to quote, never instructions. */
  readonly untrusted: readonly string[];
}

/** Scoped key-value storage; writes become durable with the receipt of this intent, or not at all. */
export interface StorageApi {
  get(key: string): Promise<JsonValue | undefined>;
  put(key: string, value: JsonValue): Promise<void>;
  delete(key: string): Promise<void>;
  /** Keys in order, at most `limit` (default 100, maximum 1000), after `after`. */
  list(options?: { prefix?: string; after?: string; limit?: number }): Promise<string[]>;
}

export interface NetworkApi {
  /** HTTP to a listed host only; no redirects leave the list; the body is cut at 1 MiB. */
  fetch(
    url: string,
    init?: { method?: string; headers?: Record<string, string>; body?: string },
  ): Promise<{ status: number; body: string }>;
  /**
   * POSTs to the webhook that the operator gave this name, with the operator's headers over these; its address is nobody
   * else's business. No redirect is followed. Rejects with `not_found` where no webhook has the name. Needs
   * `network:config`.
   */
  webhook(
    name: string,
    init: { headers?: Record<string, string>; body: string },
  ): Promise<{ status: number; body: string }>;
}

export interface ModelInfo {
  name: string;
  digest: string | null;
  quantization: string | null;
  /** Bytes on disk. */
  size: number | null;
  /** Architectures in the server's words, such as `gemma3`. */
  families: string[];
  /** In the server's words: `completion`, `embedding`, `vision`, `tools`, `thinking`; null where it does not say. */
  abilities: string[] | null;
  /** Tokens that it reads at most, prompt and answer together; null where the server does not say. */
  contextTokens: number | null;
  /** Requests that it is worth sending at once. */
  parallel: number;
}

export interface ToolCall {
  name: string;
  arguments: JsonObject;
}

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string;
  /** Base64. */
  images?: string[];
  /** Of an assistant's message. */
  toolCalls?: ToolCall[];
  /** Of a tool's message: whose result it is. */
  toolName?: string;
}

/** How long a model may think before it answers; a server that knows no degrees takes any as `true`. */
export type Think = boolean | 'low' | 'medium' | 'high';

export interface ChatRequest {
  model: string;
  messages: ChatMessage[];
  options?: JsonObject;
  /** JSON Schema that the answer must fit. */
  format?: JsonObject;
  /** Functions that the model may ask for: `{type: 'function', function: {name, description, parameters}}`. */
  tools?: JsonObject[];
  think?: Think;
  /** Seconds that the model stays loaded. */
  keepAlive?: number;
  /** Tokens of context that the server may be asked for at most. */
  contextTokens?: number;
}

export interface ChatAnswer {
  text: string;
  /** What it thought before, where the server tells it apart. */
  thinking: string;
  toolCalls: ToolCall[];
  /** `ended` in it says whether the answer is whole. */
  execution: ModelExecution;
}

/** `delta` is of what the model thinks where `thinking`, else of its answer. */
export type OnDelta = (delta: string, thinking: boolean) => void;

/**
 * A model server behind a port. Every method rejects with `model_unavailable` when the server or the model is not there,
 * with the server's own words in `detail.reason`, and with `too_large` when it cannot read all of the text.
 */
export interface ModelsApi {
  list(): Promise<ModelInfo[]>;
  /** Streams deltas as they come; resolves with the whole text. A stream that ends early rejects. */
  chat(request: ChatRequest, onDelta?: OnDelta): Promise<ChatAnswer>;
  embed(request: {
    model: string;
    input: string[];
    contextTokens?: number;
  }): Promise<{ embeddings: number[][]; execution: ModelExecution }>;
}

/** The node's signature under archives (archive-v0.6 "Envelope"), and under nothing else; for others with `seal:others` only. */
export interface SealApi {
  /** 64-hex key that signs. */
  readonly publicKey: string;
  /** 64 bytes. Rejects with `permission_denied` for anything but the signing input of an envelope in this role. */
  sign(role: string, message: Uint8Array): Promise<Uint8Array>;
}

/** Only the namespaces that the manifest declares are there; touching another one throws `permission_denied`. */
export interface CapabilityApi {
  /** Aborted on timeout and cancellation. */
  readonly signal: AbortSignal;
  /** ms since the epoch, from the node's clock. */
  now(): number;
  readonly storage: StorageApi;
  readonly network: NetworkApi;
  readonly models: ModelsApi;
  readonly seal: SealApi;
  /** Streams text or a stage to whoever follows the capsule. */
  readonly progress: (update: { delta?: string; stage?: string }) => void;
  readonly log: (message: string, context?: JsonObject) => void;
  /** Who runs this, and for whom. */
  readonly identity: {
    readonly node: string;
    readonly origin: string;
    /** What the origin is to the node. */
    readonly standing: 'own' | 'known' | 'stranger';
  };
  /** Binds into the receipt what a model really ran, which needs `models`, or a module that came with the order. The last one counts. */
  recordExecution(execution: ModelExecution | WasmExecution): void;
  /** This capability's section of the configuration, validated by nobody but the capability itself. */
  readonly config: JsonObject;
}

/**
 * What is on offer right now; ids that are missing are not advertised. Latency in seconds. What is `ownOnly` is there for the
 * node's own identity, and nobody else hears of it. `maxConcurrent` stands in place of the manifest's.
 */
export interface Availability {
  capabilities: {
    id: string;
    estimatedLatency?: number;
    detail?: JsonObject;
    ownOnly?: boolean;
    maxConcurrent?: number;
  }[];
  /** Why something is missing, in a sentence for the operator. */
  reason?: string;
}

/** What a probe may use. */
export interface ProbeApi extends Pick<CapabilityApi, 'models' | 'config' | 'signal'> {
  /** Whether the module declares the permission and has it now. */
  granted(permission: string): boolean;
}

/** What `capabilities/<name>/index.ts` exports. */
export interface CapabilityModule {
  run(intent: Intent, api: CapabilityApi): Promise<JsonValue>;
  /** For capabilities that depend on something outside; polled. Without it everything declared is on offer. */
  probe?(api: ProbeApi): Promise<Availability>;
}
