import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

/** A model the double says is installed. */
export interface DoubleModel {
  name: string;
  digest?: string;
  quantization?: string;
  size?: number;
}

/**
 * How the next answers end. `pause` sends the tokens and then nothing until `resume()` is called; `half` ends in the
 * middle of a line, as a proxy does; `words` sends a line that is no JSON.
 */
export type DoubleEnding = 'done' | 'cut' | 'pause' | 'error' | 'half' | 'words';

export interface DoubleScript {
  /** What `/api/chat` streams, one NDJSON line for each. */
  tokens: string[];
  /** `cut` drops the connection after the tokens; `error` sends Ollama's error line in mid-stream. */
  ending: DoubleEnding;
  /** When not null every endpoint answers with this status and Ollama's error body. */
  refuse: number | null;
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
    if (this.script.refuse !== null)
      return json(response, this.script.refuse, { error: 'refused by the double' });
    if (path === '/api/version') return json(response, 200, { version: '0.0.0-double' });
    if (path === '/api/tags') return json(response, 200, { models: this.models.map(described) });
    const model = this.models.find(({ name }) => name === body.model || name === `${body.model}:latest`);
    if (model === undefined) return json(response, 404, { error: `model '${body.model}' not found` });
    if (path === '/api/show')
      return json(response, 200, { details: described(model).details, capabilities: [] });
    if (path === '/api/embed') return json(response, 200, embedded(model, body.input));
    if (path === '/api/chat') return this.#chat(model, body, response);
    return json(response, 404, { error: 'not found' });
  }

  async #chat(model: DoubleModel, body: Record<string, unknown>, response: ServerResponse): Promise<void> {
    const { tokens, ending } = this.script;
    const end = { done: true, done_reason: 'stop', prompt_eval_count: 7, eval_count: tokens.length };
    const line = (content: string) => ({
      model: model.name,
      message: { role: 'assistant', content },
      done: false,
    });
    if (body.stream !== true) return json(response, 200, { ...line(tokens.join('')), ...end });
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    // Each is written out before the next, so that a client really has half an answer when the connection breaks.
    for (const token of tokens) await written(response, `${JSON.stringify(line(token))}\n`);
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

function described({ name, digest = 'd'.repeat(64), quantization = 'Q4_K_M', size = 1_000 }: DoubleModel) {
  const details = {
    family: 'gemma3',
    format: 'gguf',
    parameter_size: '4B',
    quantization_level: quantization,
  };
  return { name, model: name, modified_at: '2025-01-01T00:00:00Z', size, digest, details };
}

/** Vectors that depend on the text's length only. */
function embedded(model: DoubleModel, input: unknown) {
  const texts = Array.isArray(input) ? input : [input];
  const embeddings = texts.map((text) =>
    Array.from({ length: DIMENSIONS }, (_, index) => (String(text).length + index) / 100),
  );
  return { model: model.name, embeddings, prompt_eval_count: texts.length };
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
