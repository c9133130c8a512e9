import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

/** A model the double says is installed. */
export interface DoubleModel {
  name: string;
  digest?: string;
  quantization?: string;
  size?: number;
  /** Architecture; from the name unless told. */
  family?: string;
  /** From the name unless told; null for a server that does not say. */
  abilities?: string[] | null;
  /** Tokens of context: the most that the model can have, and what its own file asks for. */
  contextTokens?: number;
  usualContext?: number;
}

/**
 * How the next answers end. `pause` sends the tokens and then nothing until `resume()` is called; `half` ends in the
 * middle of a line, as a proxy does; `words` sends a line that is no JSON.
 */
export type DoubleEnding = 'done' | 'cut' | 'pause' | 'error' | 'half' | 'words';

export interface DoubleScript {
  /** What `/api/chat` streams, one NDJSON line for each. */
  tokens: string[];
  /** Streamed before the tokens, as what the model thinks. */
  thoughts?: string[];
  /** In the line after the tokens. */
  toolCalls?: unknown[];
  /** How the answer ends; `stop` unless told, left out when null. */
  doneReason?: string | null;
  /** `cut` drops the connection after the tokens; `error` sends Ollama's error line in mid-stream. */
  ending: DoubleEnding;
  /** When not null every endpoint answers with this status and Ollama's error body. */
  refuse: number | null;
  /** What it says with that status, in place of Ollama's error. */
  refusal?: { type: string; text: string };
}

/** Numbers in each vector of `/api/embed`. */
const DIMENSIONS = 4;

/**
 * A double of Ollama's HTTP protocol as its npm client speaks it: a real server on a free port of the loopback
 * interface, and no model behind it. It says what a test scripted; nothing it answers was generated, so tests with
 * it show how this project behaves towards Ollama, and nothing about Gemma.
 */
export class OllamaDouble {
  models: DoubleModel[];
  script: DoubleScript = { tokens: ['Hello', ' there', '.'], ending: 'done', refuse: null };
  /** Every request as it came, oldest first. */
  readonly requests: { path: string; body: Record<string, unknown>; authorization: string | undefined }[] =
    [];
  /** Models that are loaded, with their context. */
  readonly loaded = new Map<string, number>();
  /** Context that a model has without a word from anybody. */
  usualContext = 4_096;
  /** When not null the work itself is answered with this, and nothing else. */
  refuseWork: { status: number; body: object } | null = null;
  /** How often a model was loaded, or loaded anew for another context. */
  loads = 0;
  readonly #server: Server;
  readonly #waiting: { reached: () => void; gone: () => void }[] = [];
  #resume: () => void = () => undefined;
  #paused: Promise<void> = Promise.resolve();

  private constructor(models: DoubleModel[]) {
    this.models = models;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  static async start(models: DoubleModel[] = [{ name: 'gemma3:4b' }]): Promise<OllamaDouble> {
    const double = new OllamaDouble(models);
    await new Promise<void>((resolve) => double.#server.listen(0, '127.0.0.1', resolve));
    return double;
  }

  /** For `new Ollama({ host })`. */
  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the double is not listening');
    return `http://127.0.0.1:${address.port}`;
  }

  /** The next answer that pauses: `reached` resolves once its tokens are out, `gone` when its client hangs up. */
  nextPause(): { reached: Promise<void>; gone: Promise<void> } {
    const reached = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    const resumed = Promise.withResolvers<void>();
    this.#waiting.push({ reached: reached.resolve, gone: gone.resolve });
    this.#paused = resumed.promise;
    this.#resume = resumed.resolve;
    return { reached: reached.promise, gone: gone.promise };
  }

  /** Lets a paused answer end as `done`. */
  resume(): void {
    this.#resume();
  }

  async stop(): Promise<void> {
    this.#resume();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '/';
    const body = await readJson(request);
    this.requests.push({ path, body, authorization: request.headers.authorization });
    const { refuse, refusal } = this.script;
    if (refuse !== null && refusal !== undefined) {
      return void response.writeHead(refuse, { 'content-type': refusal.type }).end(refusal.text);
    }
    if (refuse !== null) return json(response, refuse, { error: 'refused by the double' });
    if (path === '/api/version') return json(response, 200, { version: '0.0.0-double' });
    if (path === '/api/tags') return json(response, 200, { models: this.models.map(described) });
    if (path === '/api/ps') {
      return json(response, 200, {
        models: [...this.loaded].map(([name, context]) => ({ name, model: name, context_length: context })),
      });
    }
    const model = this.models.find(({ name }) => name === body.model || name === `${body.model}:latest`);
    if (model === undefined) return json(response, 404, { error: `model '${body.model}' not found` });
    if (path === '/api/show') return json(response, 200, shown(model));
    if (path !== '/api/embed' && path !== '/api/chat') return json(response, 404, { error: 'not found' });
    if (this.refuseWork !== null) return json(response, this.refuseWork.status, this.refuseWork.body);
    const texts = path === '/api/chat' ? [body.messages] : [body.input].flat();
    const context = this.#load(model, body.options);
    if (texts.some((text) => tokensIn(text) > context) && body.truncate === false) {
      return json(response, 400, { error: 'the input length exceeds the context length' });
    }
    if (path === '/api/embed') return json(response, 200, embedded(model, texts, context));
    return this.#chat(model, body, response);
  }

  /** A model is loaded anew where a request needs another context than it has. */
  #load(model: DoubleModel, options: unknown): number {
    const asked = memberOf(options, 'num_ctx') ?? model.usualContext ?? this.usualContext;
    const context = Math.min(Number(asked), model.contextTokens ?? Number.POSITIVE_INFINITY);
    if (this.loaded.get(model.name) !== context) this.loads += 1;
    this.loaded.set(model.name, context);
    return context;
  }

  async #chat(model: DoubleModel, body: Record<string, unknown>, response: ServerResponse): Promise<void> {
    const { tokens, thoughts = [], toolCalls, doneReason = 'stop', ending } = this.script;
    const count = tokens.length + thoughts.length;
    const reason = doneReason === null ? {} : { done_reason: doneReason };
    const end = { done: true, ...reason, prompt_eval_count: 7, eval_count: count };
    const line = (content: string) => ({
      model: model.name,
      message: { role: 'assistant', content },
      done: false,
    });
    if (body.stream !== true) return json(response, 200, { ...line(tokens.join('')), ...end });
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    for (const thinking of body.think === false ? [] : thoughts) {
      const message = { role: 'assistant', content: '', thinking };
      await written(response, `${JSON.stringify({ ...line(''), message })}\n`);
    }
    // Each is written out before the next, so that a client really has half an answer when the connection breaks.
    for (const token of tokens) await written(response, `${JSON.stringify(line(token))}\n`);
    if (toolCalls !== undefined) {
      const message = { role: 'assistant', content: '', tool_calls: toolCalls };
      await written(response, `${JSON.stringify({ ...line(''), message })}\n`);
    }
    if (ending === 'pause') await this.#pause(response);
    if (ending === 'error') return void response.end(`${JSON.stringify({ error: 'the runner stopped' })}\n`);
    if (ending === 'half') return void response.end(JSON.stringify(line('a secret')).slice(0, -20));
    if (ending === 'words') await written(response, 'upstream gone: a secret\n');
    if (ending === 'cut') return void response.destroy();
    response.end(`${JSON.stringify({ ...line(''), ...end })}\n`);
  }

  async #pause(response: ServerResponse): Promise<void> {
    const waiter = this.#waiting.shift();
    const closed = new Promise<void>((resolve) => response.once('close', () => resolve()));
    void closed.then(() => waiter?.gone());
    waiter?.reached();
    await Promise.race([this.#paused, closed]);
  }
}

function written(response: ServerResponse, text: string): Promise<void> {
  return new Promise((resolve) => response.write(text, () => resolve()));
}

function described(model: DoubleModel) {
  const { name, digest = 'd'.repeat(64), quantization = 'Q4_K_M', size = 1_000 } = model;
  const family = familyOf(model);
  const details = {
    parent_model: '',
    format: 'gguf',
    family,
    families: [family],
    parameter_size: '4B',
    quantization_level: quantization,
  };
  return { name, model: name, modified_at: '2025-01-01T00:00:00Z', size, digest, details };
}

function shown(model: DoubleModel) {
  const family = familyOf(model);
  const embeds = /embed/.test(model.name);
  const { abilities = [embeds ? 'embedding' : 'completion'], contextTokens = 131_072, usualContext } = model;
  return {
    details: described(model).details,
    ...(abilities !== null && { capabilities: abilities }),
    ...(usualContext !== undefined && { parameters: `stop "x"\nnum_ctx    ${usualContext}` }),
    model_info: { 'general.architecture': family, [`${family}.context_length`]: contextTokens },
  };
}

/** Of models whose name does not say it a test tells it. */
function familyOf({ name, family }: DoubleModel): string {
  return family ?? (/gemma/.test(name) ? 'gemma3' : (/^[a-z]+/.exec(name)?.[0] ?? 'unknown'));
}

/** The double's tokens are words. */
function tokensIn(value: unknown): number {
  return JSON.stringify(value ?? '').split(/\s+/).length;
}

/** Vectors that depend on the text's first words only, as many as the context holds. */
function embedded(model: DoubleModel, texts: unknown[], context: number) {
  const embeddings = texts.map((text) => {
    const read = String(text).split(/\s+/).slice(0, context).join(' ');
    return Array.from({ length: DIMENSIONS }, (_, index) => (read.length + index) / 100);
  });
  return { model: model.name, embeddings, prompt_eval_count: texts.length };
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)).get(name) : undefined;
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk;
  const value: unknown = text === '' ? {} : JSON.parse(text);
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
