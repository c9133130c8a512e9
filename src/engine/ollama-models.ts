import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import type { ModelExecution } from '../../protocols/receipt/v1/schema.ts';
import { abortError, throwIfAborted } from '../lib/abort.ts';
import type { ChatAnswer, ChatMessage, ChatRequest, ModelsApi, OnDelta, ToolCall } from './capability.ts';
import { AnswerText, endOf, executionOf } from './models/answer.ts';
import { isTooLong, OllamaContext, promptTokensOf, refusedTokens, tooLong } from './models/context.ts';
import { type InstalledModel, OllamaInventory } from './models/inventory.ts';
import { Parallelism } from './models/parallelism.ts';
import {
  countIn,
  lineValue,
  listIn,
  ModelServer,
  memberOf,
  stopped,
  textIn,
  unavailable,
  wordsOf,
} from './models/server.ts';
import type { ModelsPort } from './scoped-models.ts';

/** Characters of a model's name in a sentence. */
const MAX_TOLD_CHARS = 200;
/** Tokens of an answer where the request does not say: only for how much context to ask for. */
const ANSWER_TOKENS = 1_024;

export interface OllamaModelsInit {
  /** Base address of the server, such as `http://127.0.0.1:11434`; a user name and password in it are sent as Basic. */
  host: string;
  /** Requests that it works on at once; 0 or nothing where that is to be learned. */
  parallel?: number;
}

type EmbedRequest = Parameters<ModelsApi['embed']>[0];

/** Models of an Ollama server (capability.ts `ModelsApi`). */
export class OllamaModels {
  readonly #server: ModelServer;
  readonly #inventory: OllamaInventory;
  readonly #context: OllamaContext;
  readonly #configured: number;
  /** By name; what is no longer installed is dropped. */
  readonly #parallelism = new Map<string, Parallelism>();

  constructor(init: OllamaModelsInit) {
    this.#server = new ModelServer({ name: 'Ollama', address: init.host });
    this.#inventory = new OllamaInventory(this.#server);
    this.#context = new OllamaContext(this.#inventory);
    this.#configured = init.parallel ?? 0;
  }

  /** For the engine: the models as one intent sees them. Aborting `signal` ends the HTTP requests. */
  readonly port: ModelsPort = (signal) => ({
    list: () => guarded(signal, (until) => this.#list(until)),
    chat: (request, onDelta = () => {}) => guarded(signal, (until) => this.#chat(request, onDelta, until)),
    embed: (request) => guarded(signal, (until) => this.#embed(request, until)),
  });

  async #list(signal: AbortSignal): ReturnType<ModelsApi['list']> {
    const models = await this.#inventory.list(signal);
    const names = new Set(models.map(({ name }) => name));
    for (const name of this.#parallelism.keys()) if (!names.has(name)) this.#parallelism.delete(name);
    return models.map(({ usualContext: _, ...model }) => ({
      ...model,
      parallel: this.#configured || this.#parallel(model.name).limit,
    }));
  }

  async #chat(request: ChatRequest, onDelta: OnDelta, signal: AbortSignal): Promise<ChatAnswer> {
    const model = await this.#installed(request.model, signal);
    const { options = {}, contextTokens: most } = request;
    const answer = typeof options.num_predict === 'number' ? options.num_predict : ANSWER_TOKENS;
    const need = { prompt: promptTokensOf(request.messages), answer, most };
    return this.#fitting(model, need, signal, async (context) => {
      const sent = { ...options, ...(context !== undefined && { num_ctx: context }) };
      const flow = this.#parallel(model.name).begin();
      try {
        return await this.#answer(model, request, sent, signal, (delta, thinking) => {
          flow.flows();
          onDelta(delta, thinking);
        });
      } finally {
        flow.end();
      }
    });
  }

  async #answer(
    model: InstalledModel,
    request: ChatRequest,
    options: JsonObject,
    signal: AbortSignal,
    onDelta: OnDelta,
  ): Promise<ChatAnswer> {
    const body = chatBody(model, request, options);
    const answer = new AnswerText(onDelta);
    const toolCalls: ToolCall[] = [];
    for await (const line of this.#server.stream('api/chat', signal, body)) {
      const part = lineValue(line);
      const failure = wordsOf(part);
      if (failure !== '') throw stopped(failure);
      const message = memberOf(part, 'message');
      answer.think(textIn(message, 'thinking'));
      answer.say(textIn(message, 'content'));
      for (const call of listIn(message, 'tool_calls'))
        toolCalls.push(toolCallOf(memberOf(call, 'function')));
      if (memberOf(part, 'done') !== true) continue;
      return { ...answer.texts, toolCalls, execution: executionOf(model, options, usageOf(part)) };
    }
    throw stopped();
  }

  async #embed(request: EmbedRequest, signal: AbortSignal): ReturnType<ModelsApi['embed']> {
    const { input, contextTokens: most } = request;
    const model = await this.#installed(request.model, signal);
    const longest = Math.max(0, ...input.map((content) => promptTokensOf([{ role: 'user', content }])));
    return this.#fitting(model, { prompt: longest, answer: 0, most }, signal, async (context) => {
      const options: JsonObject = context === undefined ? {} : { num_ctx: context };
      const body = { model: model.name, input, truncate: false, ...(context !== undefined && { options }) };
      const answer = await this.#server.ask('api/embed', signal, body);
      return { embeddings: vectorsOf(answer), execution: executionOf(model, options, usageOf(answer)) };
    });
  }

  /** Does the work with more context where the server says that the text does not fit, as far as the model goes. */
  async #fitting<T>(
    model: InstalledModel,
    need: { prompt: number; answer: number; most: number | undefined },
    signal: AbortSignal,
    work: (context: number | undefined) => Promise<T>,
  ): Promise<T> {
    const first = await this.#context.choose(model, need, signal);
    try {
      return await work(first);
    } catch (error) {
      if (!isTooLong(error)) throw error;
      const second = this.#context.larger(model, need, first, refusedTokens(error));
      if (second === undefined) throw tooLong(error, model, need.prompt, need.most);
      return work(second).catch((again: unknown) => {
        throw isTooLong(again) ? tooLong(again, model, need.prompt, need.most) : again;
      });
    }
  }

  /** What is installed under this name now, so that the receipt binds the weights that answered. */
  async #installed(name: string, signal: AbortSignal): Promise<InstalledModel> {
    const found = await this.#inventory.find(name, signal);
    if (found !== undefined) return found;
    throw unavailable(`The model ${name.slice(0, MAX_TOLD_CHARS)} is not installed on the model server.`);
  }

  #parallel(model: string): Parallelism {
    const known = this.#parallelism.get(model) ?? new Parallelism();
    this.#parallelism.set(model, known);
    return known;
  }
}

/** Ends the requests of one call when it ends, however it does. */
async function guarded<T>(signal: AbortSignal, work: (until: AbortSignal) => Promise<T>): Promise<T> {
  throwIfAborted(signal);
  const call = new AbortController();
  try {
    return await work(AbortSignal.any([signal, call.signal]));
  } catch (error) {
    if (signal.aborted) throw abortError(signal);
    throw error;
  } finally {
    call.abort();
  }
}

/** Nothing is cut or pushed out of the context without a word: the server refuses, or says that it ended for length. */
function chatBody(
  { name, abilities }: InstalledModel,
  { messages, format, tools, think, keepAlive }: ChatRequest,
  options: JsonObject,
): object {
  const thinks = think !== undefined && (abilities?.includes('thinking') ?? false);
  return {
    model: name,
    messages: messages.map(messageOf),
    stream: true,
    truncate: false,
    shift: false,
    options,
    ...(format !== undefined && { format }),
    ...(tools !== undefined && { tools }),
    ...(thinks && { think }),
    ...(keepAlive !== undefined && { keep_alive: keepAlive }),
  };
}

function messageOf({ role, content, images, toolCalls, toolName }: ChatMessage): object {
  return {
    role,
    content,
    ...(images !== undefined && { images }),
    ...(toolCalls !== undefined && { tool_calls: toolCalls.map((call) => ({ function: call })) }),
    ...(toolName !== undefined && { tool_name: toolName }),
  };
}

function toolCallOf(value: unknown): ToolCall {
  const given = memberOf(value, 'arguments');
  if (textIn(value, 'name') === '' || typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw stopped('It asked for a tool in no valid form.');
  }
  return { name: textIn(value, 'name'), arguments: JSON.parse(JSON.stringify(given)) };
}

function vectorsOf(answer: unknown): number[][] {
  return listIn(answer, 'embeddings').map((vector) =>
    Array.isArray(vector) ? vector.filter((number) => typeof number === 'number') : [],
  );
}

function usageOf(part: unknown): Pick<ModelExecution, 'promptTokens' | 'completionTokens' | 'ended'> {
  return {
    promptTokens: countIn(part, 'prompt_eval_count'),
    completionTokens: countIn(part, 'eval_count'),
    ended: endOf(textIn(part, 'done_reason')),
  };
}
