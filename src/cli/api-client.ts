import { EventSourceParserStream } from 'eventsource-parser/stream';
import { isErrorCode } from '../../protocols/common/v1/errors.ts';
import { MeshError } from '../lib/errors.ts';
import { CliError } from './failure.ts';

/** ms to wait for an answer; nothing that the API answers takes long, since work is followed by events. */
const ANSWER_TIMEOUT_MS = 30_000;
/** Characters of one event: above the largest result that an event carries. */
const EVENT_CHARS = 8_388_608;
const ARCHIVE_TYPE = 'application/vnd.capsule+zip';

export interface RequestOptions {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  query?: Record<string, string | number | undefined>;
  /** Sent as JSON. */
  body?: unknown;
  signal?: AbortSignal;
  /** ms; for what takes as long as there is data. */
  timeoutMs?: number;
}

export interface ServerEvent {
  id: string | undefined;
  data: string;
}

/** Calls one node's HTTP API. Errors are the node's own codes; `unreachable` where nobody answers. */
export class ApiClient {
  readonly url: string;
  readonly #token: string | undefined;

  constructor(init: { url: string; token: string | undefined }) {
    this.url = init.url.replace(/\/+$/, '');
    this.#token = init.token;
  }

  /** `T` is what the route is documented to answer; node and command line are of one version. */
  async request<T>(path: string, options: RequestOptions = {}): Promise<T> {
    return this.#answer(path, options, 'application/json', async (response) => (await response.json()) as T);
  }

  /** The bytes of an archive. */
  async download(path: string, options: RequestOptions = {}): Promise<Uint8Array> {
    return this.#answer(path, options, ARCHIVE_TYPE, async (response) => response.bytes());
  }

  /** Follows a stream of server-sent events until it ends or `signal` aborts, from the one after `since`. */
  async *events(path: string, options: { since?: string; signal: AbortSignal }): AsyncGenerator<ServerEvent> {
    const headers: Record<string, string> =
      options.since === undefined ? {} : { 'last-event-id': options.since };
    const response = await this.#fetch(path, { signal: options.signal }, 'text/event-stream', headers);
    if (response.body === null) return;
    const events = response.body
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream({ maxBufferSize: EVENT_CHARS }));
    for await (const { id, data } of events) yield { id, data };
  }

  async #answer<T>(
    path: string,
    options: RequestOptions,
    accept: string,
    read: (response: Response) => Promise<T>,
  ): Promise<T> {
    const timeout = AbortSignal.timeout(options.timeoutMs ?? ANSWER_TIMEOUT_MS);
    const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
    const response = await this.#fetch(path, { ...options, signal }, accept);
    try {
      return await read(response);
    } catch (error) {
      options.signal?.throwIfAborted();
      throw new MeshError(
        'unreachable',
        `The answer of ${this.url} broke off or is not what it should be.`,
        undefined,
        {
          cause: error,
        },
      );
    }
  }

  async #fetch(
    path: string,
    options: RequestOptions,
    accept: string,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    const url = new URL(this.url + path);
    for (const [name, value] of Object.entries(options.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const response = await fetch(url, {
      method: options.method ?? 'GET',
      headers: {
        accept,
        ...headers,
        ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
        ...(options.body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(options.body !== undefined && { body: JSON.stringify(options.body) }),
      ...(options.signal && { signal: options.signal }),
      redirect: 'error',
    }).catch((error: unknown) => {
      throw this.#unreachable(error);
    });
    if (!response.ok) throw await refusal(response);
    return response;
  }

  #unreachable(cause: unknown): unknown {
    if (cause instanceof Error && cause.name === 'AbortError') return cause;
    if (cause instanceof Error && cause.name === 'TimeoutError') {
      return new CliError('unreachable', `The node at ${this.url} did not answer in time.`);
    }
    return new CliError(
      'unreachable',
      `No node answers at ${this.url}.`,
      'Start one with `capsule start`, or name another: --data DIR, --api-url URL',
    );
  }
}

async function refusal(response: Response): Promise<MeshError> {
  const body: unknown = await response.json().catch(() => undefined);
  if (typeof body === 'object' && body !== null && 'code' in body && 'message' in body) {
    const { code, message } = body;
    if (typeof code === 'string' && typeof message === 'string' && isErrorCode(code)) {
      // What the caller may do is another thing than what a capability may do.
      if (code === 'permission_denied' && 'detail' in body && isMissing(body.detail))
        return new CliError(code, message, 'The node’s owner makes another one: capsule token create');
      return new MeshError(code, message, 'detail' in body ? body.detail : undefined);
    }
  }
  return new MeshError('internal', `The node answered with status ${String(response.status)}.`);
}

/** Whether it says what the token lacks. */
function isMissing(detail: unknown): boolean {
  return typeof detail === 'object' && detail !== null && 'missing' in detail;
}
