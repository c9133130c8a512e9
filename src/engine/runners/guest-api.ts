import { LIMITS } from '../../../protocols/common/v1/limits.ts';
import type { JsonObject, JsonValue } from '../../../protocols/common/v1/schema.ts';
import type { ModelExecution, WasmExecution } from '../../../protocols/receipt/v1/schema.ts';
import { MeshError } from '../../lib/errors.ts';
import { fromHex, toHex } from '../../lib/hex.ts';
import { describeProblem, jsonProblem } from '../../lib/json.ts';
import { cutText } from '../../lib/text.ts';
import type {
  CapabilityApi,
  ModelsApi,
  NetworkApi,
  OnDelta,
  ProbeApi,
  SealApi,
  StorageApi,
} from '../capability.ts';
import { hasEnded, undeclared, ungranted } from '../permission-errors.ts';
import { MAX_LOG_CHARS, MAX_LOG_CONTEXT_CHARS, MAX_STAGE_CHARS } from './bounds.ts';
import type { Note } from './messages.ts';
import type { ScopeFacts } from './runner.ts';

/** How the API's calls leave the room. */
export interface GuestCalls {
  readonly signal: AbortSignal;
  readonly facts: ScopeFacts;
  /** False when the run has ended. */
  readonly running: boolean;
  request(name: string, body: object, onDelta?: OnDelta): Promise<JsonValue | undefined>;
  progress(delta: string, stage: string | undefined): void;
  note(note: Note): void;
}

type Touched = Extract<Note, { touched: string }>['touched'];

/** The API as code in a room sees it: the same errors, at the same moment, as where the node itself is called. */
export class GuestApi implements CapabilityApi {
  readonly config: JsonObject;
  readonly #calls: GuestCalls;
  #storage: StorageApi | undefined;
  #network: NetworkApi | undefined;
  #models: ModelsApi | undefined;
  readonly #began = performance.now();

  constructor(calls: GuestCalls) {
    this.config = calls.facts.config;
    this.#calls = calls;
    Object.freeze(this);
  }

  get signal(): AbortSignal {
    return this.#calls.signal;
  }

  now(): number {
    return this.#calls.facts.now + Math.floor(performance.now() - this.#began);
  }

  get storage(): StorageApi {
    this.#assertDeclared('storage');
    this.#storage ??= storageOver(this.#calls);
    return this.#storage;
  }

  get network(): NetworkApi {
    const declared = this.#calls.facts.declared.some((permission) => permission.startsWith('network:'));
    this.#assert('network', declared);
    this.#network ??= networkOver(this.#calls);
    return this.#network;
  }

  get models(): ModelsApi {
    this.#assertDeclared('models');
    this.#models ??= modelsOver(this.#calls);
    return this.#models;
  }

  get seal(): SealApi {
    this.#assertDeclared('seal');
    return sealOver(this.#calls);
  }

  get progress(): CapabilityApi['progress'] {
    this.#assertDeclared('progress');
    const calls = this.#calls;
    return ({ delta = '', stage }) => {
      assertGranted(calls, 'progress');
      calls.progress(
        String(delta),
        stage === undefined ? undefined : cutText(String(stage), MAX_STAGE_CHARS),
      );
    };
  }

  get log(): CapabilityApi['log'] {
    this.#assertDeclared('log');
    const calls = this.#calls;
    return (message, context) => {
      assertGranted(calls, 'log');
      calls.note({ log: String(message).slice(0, MAX_LOG_CHARS), ...contextOf(context) });
    };
  }

  get identity(): CapabilityApi['identity'] {
    this.#assertDeclared('identity');
    assertGranted(this.#calls, 'identity');
    const { identity } = this.#calls.facts;
    if (identity === null) throw ungranted(this.#calls.facts.module, 'identity');
    this.#calls.note({ touched: 'identity' });
    return Object.freeze({ ...identity });
  }

  recordExecution(execution: ModelExecution | WasmExecution): void {
    if ('model' in execution) {
      this.#assertDeclared('models');
      assertGranted(this.#calls, 'models');
    }
    this.#calls.note({ execution });
  }

  #assertDeclared(permission: Touched): void {
    this.#assert(permission, this.#calls.facts.declared.includes(permission));
  }

  #assert(permission: Touched, declared: boolean): void {
    if (!this.#calls.running) throw hasEnded();
    if (declared) return;
    this.#calls.note({ touched: permission });
    throw undeclared(this.#calls.facts.module, permission);
  }
}

/** What a probe gets of it. */
export function probeApi(calls: GuestCalls): ProbeApi {
  const { signal, facts } = calls;
  const granted = (permission: string): boolean => facts.granted.includes(permission);
  return { models: modelsOver(calls), config: facts.config, signal, granted };
}

/** For what answers at once; all else is refused by the node's reply. */
function assertGranted(calls: GuestCalls, permission: Touched): void {
  if (!calls.running) throw hasEnded();
  if (calls.facts.granted.includes(permission)) return;
  calls.note({ touched: permission });
  throw ungranted(calls.facts.module, permission);
}

function storageOver(calls: GuestCalls): StorageApi {
  return Object.freeze({
    get: (key: string) => calls.request('storage.get', { key }),
    put: async (key: string, value: JsonValue) => {
      // Before it is written as JSON, which would leave out or change what is none.
      const problem = jsonProblem(value, LIMITS.jsonDepth);
      if (problem !== null) throw new MeshError('invalid_json', describeProblem('The value', problem));
      await calls.request('storage.put', { key, value });
    },
    delete: async (key: string) => void (await calls.request('storage.delete', { key })),
    list: async (options: Parameters<StorageApi['list']>[0] = {}) =>
      answerOf<string[]>(await calls.request('storage.list', options)),
  });
}

function networkOver(calls: GuestCalls): NetworkApi {
  return Object.freeze({
    fetch: async (url: string, init: Parameters<NetworkApi['fetch']>[1] = {}) =>
      answerOf<{ status: number; body: string }>(
        await calls.request('network.fetch', { ...init, url: String(url) }),
      ),
    webhook: async (name: string, init: Parameters<NetworkApi['webhook']>[1]) =>
      answerOf<{ status: number; body: string }>(await calls.request('network.webhook', { ...init, name })),
  });
}

function modelsOver(calls: GuestCalls): ModelsApi {
  return Object.freeze({
    list: async () =>
      answerOf<Awaited<ReturnType<ModelsApi['list']>>>(await calls.request('models.list', {})),
    chat: async (...[request, onDelta]: Parameters<ModelsApi['chat']>) => {
      const body = { ...request, stream: onDelta !== undefined };
      return answerOf<Awaited<ReturnType<ModelsApi['chat']>>>(
        await calls.request('models.chat', body, onDelta),
      );
    },
    embed: async (request: Parameters<ModelsApi['embed']>[0]) =>
      answerOf<Awaited<ReturnType<ModelsApi['embed']>>>(await calls.request('models.embed', request)),
  });
}

function sealOver(calls: GuestCalls): SealApi {
  return Object.freeze({
    publicKey: calls.facts.sealKey ?? '',
    sign: async (role: string, message: Uint8Array) =>
      fromHex(answerOf<string>(await calls.request('seal.sign', { role, message: toHex(message) }))),
  });
}

/** What the node replied: it is this side that trusts the other. */
function answerOf<T>(value: JsonValue | undefined): T {
  return value as T;
}

function contextOf(context: JsonObject | undefined): { context?: JsonObject } {
  if (context === undefined) return {};
  if (JSON.stringify(context).length <= MAX_LOG_CONTEXT_CHARS) return { context };
  throw new MeshError('too_large', 'What goes with a line of the log is too large.');
}
