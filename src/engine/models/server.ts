import { MeshError } from '../../lib/errors.ts';
import { httpRequest, linesOf, textOf } from '../../lib/http-request.ts';
import { cutText } from '../../lib/text.ts';

/** Bytes of an answer that does not come in lines: 32 vectors of 4,096 numbers as text. */
const MAX_ANSWER_BYTES = 16_777_216;
const MAX_REFUSAL_BYTES = 65_536;
/** Characters of one line: twice what a whole answer may have, which some servers send as one piece. */
const MAX_LINE_CHARS = 2_097_152;
/** Characters of the server's own words about a failure: in the sentence, and in the detail. */
const MAX_TOLD_CHARS = 200;
const MAX_REASON_CHARS = 1_000;

export interface ModelServerInit {
  /** For messages: `Ollama`. */
  name: string;
  /** Base address; a user name and password in it are sent as Basic authentication. */
  address: string;
  headers?: Readonly<Record<string, string>>;
}

/** The server's refusal of one request, with what it said. */
export class Refusal extends MeshError {
  readonly status: number;
  /** Its own words; empty where it had none, or a page of HTML. */
  readonly words: string;
  /** The rest of what it said, where that was JSON. */
  readonly body: unknown;

  constructor(status: number, words: string, body: unknown) {
    const told = words === '' ? '' : `: ${cutText(words, MAX_TOLD_CHARS)}`;
    super('model_unavailable', `The model server refused the request (${status}${told}).`, {
      status,
      ...(words !== '' && { reason: cutText(words, MAX_REASON_CHARS) }),
    });
    this.status = status;
    this.words = words;
    this.body = body;
  }
}

/** HTTP and JSON of a model server. What is no answer is `model_unavailable`; nothing of an answer is in any error. */
export class ModelServer {
  readonly #name: string;
  /** Without user name and password, and with a slash at the end. */
  readonly #base: URL | null;
  readonly #headers: Readonly<Record<string, string>>;

  constructor({ name, address, headers = {} }: ModelServerInit) {
    this.#name = name;
    const { base, authorization } = withoutCredentials(address);
    this.#base = base;
    this.#headers = { ...authorization, ...headers };
  }

  /** Parsed JSON of an answer. `body` makes it a POST. */
  async ask(path: string, signal: AbortSignal, body?: object): Promise<unknown> {
    const answer = await this.#request(path, signal, body);
    const text = await textOf(answer, MAX_ANSWER_BYTES).catch((error: unknown) => {
      throw error instanceof MeshError ? error : this.#unanswered(error);
    });
    const value = parsed(text);
    if (value === undefined) throw unavailable('The model server gave an answer that is no JSON.');
    return value;
  }

  /** Lines of an answer that comes bit by bit. A connection that breaks is an early end. */
  async *stream(path: string, signal: AbortSignal, body: object): AsyncGenerator<string> {
    const answer = await this.#request(path, signal, body);
    try {
      yield* linesOf(answer, MAX_LINE_CHARS);
    } catch (error) {
      throw error instanceof MeshError ? error : stopped(undefined, error);
    }
  }

  async #request(path: string, signal: AbortSignal, body?: object): Promise<AsyncIterable<Uint8Array>> {
    if (this.#base === null) throw this.#unanswered(undefined);
    const answer = await httpRequest(new URL(path, this.#base), {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        accept: 'application/json',
        ...(body && { 'content-type': 'application/json' }),
        ...this.#headers,
      },
      ...(body && { body: JSON.stringify(body) }),
      signal,
    }).catch((error: unknown) => {
      throw this.#unanswered(error);
    });
    if (answer.status >= 200 && answer.status < 300) return answer.body;
    const text = await textOf(answer.body, MAX_REFUSAL_BYTES).catch(() => '');
    const told = parsed(text);
    throw new Refusal(answer.status, wordsOf(told), told);
  }

  /** The origin alone: a path or a query may be secret. */
  #unanswered(cause: unknown): MeshError {
    return unavailable(
      `${this.#name} does not answer at ${this.#base?.origin ?? 'its address'}.`,
      undefined,
      cause,
    );
  }
}

/** JSON of a line, or the early end of the answer it stands in: what the parser says would quote the line. */
export function lineValue(line: string): unknown {
  const value = parsed(line);
  if (value === undefined) throw stopped('A line of its answer was no JSON.');
  return value;
}

/** What a server says has gone wrong: Ollama's `error` is a sentence, others' an object with a `message`. */
export function wordsOf(value: unknown): string {
  const error = memberOf(value, 'error');
  const words = typeof error === 'string' ? error : memberOf(error, 'message');
  return typeof words === 'string' ? words.replace(/\s+/g, ' ').trim() : '';
}

export function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return Object.entries(value).find(([key]) => key === name)?.[1];
}

export function textIn(value: unknown, name: string): string {
  const text = memberOf(value, name);
  return typeof text === 'string' ? text : '';
}

/** Null where it is no count. */
export function countIn(value: unknown, name: string): number | null {
  const count = memberOf(value, name);
  return typeof count === 'number' && Number.isSafeInteger(count) && count >= 0 ? count : null;
}

export function listIn(value: unknown, name: string): unknown[] {
  const list = memberOf(value, name);
  return Array.isArray(list) ? list : [];
}

/** An answer that ended early; `reason` are the server's own words. */
export function stopped(reason?: string, cause?: unknown): MeshError {
  return unavailable('The model server stopped in the middle of its answer.', reason, cause);
}

export function unavailable(message: string, reason?: string, cause?: unknown): MeshError {
  const detail =
    reason === undefined || reason === '' ? undefined : { reason: cutText(reason, MAX_REASON_CHARS) };
  return new MeshError('model_unavailable', message, detail, { cause });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function withoutCredentials(address: string): { base: URL | null; authorization: Record<string, string> } {
  const base = URL.parse(address);
  if (base === null) return { base, authorization: {} };
  const [user, password] = [base.username, base.password].map(decoded);
  const named = base.username !== '' || base.password !== '';
  base.username = '';
  base.password = '';
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  const basic = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  return { base, authorization: named ? { authorization: basic } : {} };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
