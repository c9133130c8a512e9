import { Ollama } from 'ollama';
import type { ModelExecution } from '../../protocols/receipt/v1/schema.ts';
import { abortError, throwIfAborted } from '../lib/abort.ts';
import { MeshError } from '../lib/errors.ts';
import { cutText } from '../lib/text.ts';
import type { ModelInfo, ModelsApi } from './capability.ts';
import { jsonLines } from './json-lines.ts';
import type { ModelsPort } from './scoped-models.ts';

/** Characters of one answer: a result may have 1 MiB, and a model that repeats itself never stops. */
const MAX_TEXT_CHARS = 1_048_576;
/** Characters of the server's own words about a failure. */
const MAX_REASON_CHARS = 200;
/** Characters of its word for how an answer ended; a receipt has room for so many. */
const MAX_ENDED_CHARS = 64;

export interface OllamaModelsInit {
  /** Base address of the server, such as `http://127.0.0.1:11434`; a user name and password in it are sent as Basic. */
  host: string;
}

type Fetch = typeof globalThis.fetch;
type ChatRequest = Parameters<ModelsApi['chat']>[0];
type EmbedRequest = Parameters<ModelsApi['embed']>[0];

/** Models of an Ollama server (capability.ts `ModelsApi`). Every failure of the server is `model_unavailable`. */
export class OllamaModels {
  readonly #fetch: Fetch;
  /** Without a user name and password: no request can be made of an address that holds them. */
  readonly #host: string;
  readonly #headers: Record<string, string>;

  constructor(components: { fetch?: Fetch }, init: OllamaModelsInit) {
    this.#fetch = components.fetch ?? globalThis.fetch;
    const { address, headers } = withoutCredentials(init.host);
    this.#host = address;
    this.#headers = headers;
  }

  /** For the engine: the models as one intent sees them. Aborting `signal` ends the HTTP requests. */
  readonly port: ModelsPort = (signal) => ({
    list: () => this.#guard(signal, (client) => listModels(client)),
    chat: (request, onDelta = () => {}) => this.#guard(signal, (client) => chat(client, request, onDelta)),
    embed: (request) => this.#guard(signal, (client) => embed(client, request)),
  });

  async #guard<T>(signal: AbortSignal, work: (client: Ollama) => Promise<T>): Promise<T> {
    throwIfAborted(signal);
    // The client takes no signal, and closes no stream that is left early: each call has a fetch of its own.
    const call = new AbortController();
    const client = new Ollama({
      host: this.#host,
      headers: this.#headers,
      fetch: this.#fetchUntil(AbortSignal.any([signal, call.signal])),
    });
    try {
      return await work(client);
    } catch (error) {
      if (signal.aborted) throw abortError(signal);
      throw error instanceof MeshError ? error : this.#unanswered(error);
    } finally {
      call.abort();
    }
  }

  /** The origin alone: a path or a query may be secret. */
  #unanswered(cause: unknown): MeshError {
    return unavailable(`Ollama does not answer at ${URL.parse(this.#host)?.origin ?? 'its address'}`, cause);
  }

  /** Refusals are read here, and lines that are no JSON end the answer here: the client would print both. */
  #fetchUntil(signal: AbortSignal): Fetch {
    return async (input, init) => {
      const response = await this.#fetch(input, { ...init, signal });
      if (response.ok) return isStreamed(input) ? linesOf(response) : response;
      throw unavailable(`The model server refused the request${await refusalReason(response)}`);
    };
  }
}

async function listModels(client: Ollama): Promise<ModelInfo[]> {
  const { models } = await client.list();
  return models.map(({ name, digest, size, details }) => ({
    name,
    digest: digest || null,
    quantization: details?.quantization_level || null,
    size: Number.isSafeInteger(size) ? size : null,
  }));
}

async function chat(
  client: Ollama,
  { model, messages, options }: ChatRequest,
  onDelta: (delta: string) => void,
): Promise<{ text: string; execution: ModelExecution }> {
  const info = await findModel(client, model);
  const stream = await client.chat({
    model,
    messages,
    stream: true,
    options: JSON.parse(JSON.stringify(options ?? {})),
  });
  let text = '';
  try {
    for await (const part of stream) {
      text += part.message.content;
      if (text.length > MAX_TEXT_CHARS) {
        throw new MeshError('too_large', `The model's answer has more than ${MAX_TEXT_CHARS} characters.`);
      }
      if (part.message.content !== '') onDelta(part.message.content);
      if (part.done) return { text, execution: executionOf(info, options, part) };
    }
  } catch (error) {
    throw error instanceof MeshError ? error : stopped(error);
  }
  throw stopped();
}

async function embed(
  client: Ollama,
  { model, input }: EmbedRequest,
): Promise<{ embeddings: number[][]; execution: ModelExecution }> {
  const info = await findModel(client, model);
  const answer = await client.embed({ model, input });
  return { embeddings: answer.embeddings, execution: executionOf(info, undefined, answer) };
}

/** What is installed under this name now, so that the receipt binds the weights that answered. */
async function findModel(client: Ollama, model: string): Promise<ModelInfo> {
  const found = (await listModels(client)).find(({ name }) => name === model || name === `${model}:latest`);
  if (found !== undefined) return found;
  throw unavailable(`The model ${model.slice(0, MAX_REASON_CHARS)} is not installed on the model server`);
}

/** What the server says about the work that it did; older ones leave some of it out. */
interface Answered {
  prompt_eval_count?: number;
  eval_count?: number;
  done_reason?: string;
}

function executionOf(
  { name, digest, quantization }: ModelInfo,
  options: ChatRequest['options'] = {},
  { prompt_eval_count, eval_count, done_reason }: Answered,
): ModelExecution {
  const { seed } = options;
  return {
    model: name,
    digest,
    quantization,
    options,
    seed: typeof seed === 'number' && Number.isSafeInteger(seed) ? seed : null,
    promptTokens: prompt_eval_count ?? null,
    completionTokens: eval_count ?? null,
    ended: typeof done_reason === 'string' ? cutText(done_reason, MAX_ENDED_CHARS) : null,
  };
}

/** ` (<status>: <its own words>)`, which tell an operator more than the status does. */
async function refusalReason(response: Response): Promise<string> {
  const text = await response.text().catch(() => '');
  const words = /"error"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(text)?.[1]?.replace(/\s+/g, ' ') ?? '';
  return words === ''
    ? ` (${response.status})`
    : ` (${response.status}: ${words.slice(0, MAX_REASON_CHARS)})`;
}

/** The one request whose answer comes in lines. */
function isStreamed(input: Parameters<Fetch>[0]): boolean {
  return String(input).endsWith('/api/chat');
}

function linesOf(response: Response): Response {
  return response.body === null ? response : new Response(jsonLines(response.body), response);
}

function withoutCredentials(host: string): { address: string; headers: Record<string, string> } {
  const url = URL.parse(host);
  if (url === null || (url.username === '' && url.password === '')) return { address: host, headers: {} };
  const [user, password] = [url.username, url.password].map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  url.username = '';
  url.password = '';
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  return { address: url.href, headers: { authorization } };
}

function stopped(cause?: unknown): MeshError {
  return unavailable('The model server stopped in the middle of its answer', cause);
}

function unavailable(problem: string, cause?: unknown): MeshError {
  return new MeshError('model_unavailable', `${problem}.`, undefined, { cause });
}
