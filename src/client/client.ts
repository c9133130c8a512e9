import { EventSourceParserStream } from 'eventsource-parser/stream';
import { isErrorCode } from '../../protocols/common/v1/errors.ts';
import type { CapsuleView, MeshEvent } from '../api/schemas/capsules.ts';
import { raceAbort } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { MeshError } from '../lib/errors.ts';
import type { Answer, Input, Item, ListRoute, Query, Route } from './routes.ts';

/** ms to wait for an answer; nothing that the API answers takes long, since work is followed by events. */
const ANSWER_TIMEOUT_MS = 30_000;
/** ms between attempts to reach a node that went silent, and how many: a restart takes a second or two. */
const RECONNECT_MS = 500;
const RECONNECTS = 20;
/** ms without a word on a stream: the node says something every 15 s, so the connection is gone without having been closed. */
const SILENCE_MS = 60_000;
/** Characters of one event: above the largest result that an event carries. */
const EVENT_CHARS = 8_388_608;
/** Entries of a page, where all of them are wanted. */
const PAGE = 500;
const ARCHIVE_TYPE = 'application/vnd.capsule+zip';

export interface ClientInit {
  /** Such as `http://127.0.0.1:4480`. */
  url: string;
  /** The owner's, or one that was made with `capsule token create`. */
  token?: string | undefined;
  fetch?: typeof fetch;
  /** Timers; in Node.js they keep the process alive. */
  clock?: Pick<Clock, 'after'>;
}

export interface RequestOptions {
  signal?: AbortSignal | undefined;
  /** ms; for what takes as long as there is data. */
  timeoutMs?: number | undefined;
}

export interface PageOptions {
  /** Entries of one page, 500 at the most. */
  limit?: number | undefined;
  cursor?: string | undefined;
  signal?: AbortSignal | undefined;
}

export interface FollowOptions {
  /** Only this capsule's events, to its end. */
  id?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** The options may be left out where a route needs none. */
type Rest<Options> = Record<never, never> extends Options ? [options?: Options] : [options: Options];

const platformClock: Pick<Clock, 'after'> = {
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

/**
 * Calls one node's HTTP API, in Node.js and in browsers. What fails rejects with `MeshError`: with the node's own code,
 * `unreachable` where nobody answers, or the reason of `signal`.
 */
export class MeshClient {
  readonly url: string;
  readonly #token: string | undefined;
  readonly #fetch: typeof fetch;
  readonly #clock: Pick<Clock, 'after'>;

  constructor({ url, token, fetch = globalThis.fetch, clock = platformClock }: ClientInit) {
    this.url = url.replace(/\/+$/, '');
    this.#token = token;
    // A browser's `fetch` insists on being called as a function of its window.
    this.#fetch = (...args) => fetch(...args);
    this.#clock = clock;
  }

  /** `request('GET /api/capsules/:id', { params: { id } })`. Answers that are no JSON are bytes. */
  async request<R extends Route>(
    route: R,
    ...[options]: Rest<Input<R> & RequestOptions>
  ): Promise<Answer<R>> {
    return this.#call(route, options ?? {});
  }

  /** One page of a list, from the `cursor` that the page before gave; that is null on the last one. */
  async page<R extends ListRoute>(
    route: R,
    query: Query<R> | undefined,
    { limit, cursor, signal }: PageOptions = {},
  ): Promise<{ items: Item<R>[]; cursor: string | null }> {
    return this.#call(route, { query: { ...query, limit, cursor }, signal });
  }

  /** Everything in a list, page by page as it is asked for. */
  async *all<R extends ListRoute>(
    route: R,
    query?: Query<R>,
    options: PageOptions = {},
  ): AsyncGenerator<Item<R>> {
    let { cursor } = options;
    do {
      const page = await this.page(route, query, { limit: PAGE, ...options, cursor });
      yield* page.items;
      cursor = page.cursor ?? undefined;
    } while (cursor !== undefined);
  }

  /**
   * Events as they happen: of one capsule, to its end, or of the whole node. A connection that breaks is made anew and
   * goes on after the last event (`Last-Event-ID`), also with a node that restarts meanwhile. Rejects with
   * `unreachable` where it stays away.
   */
  async *follow({
    id,
    signal = new AbortController().signal,
  }: FollowOptions = {}): AsyncGenerator<MeshEvent> {
    const path = id === undefined ? '/api/events' : `/api/capsules/${id}/events`;
    let since: string | undefined;
    let reached = false;
    for (let failures = 0; failures <= RECONNECTS; failures++) {
      try {
        for await (const { id: place, event } of this.#events(path, since, signal)) {
          since = place ?? since;
          reached = true;
          failures = 0;
          yield event;
          if (id !== undefined && event.type === 'done') return;
        }
      } catch (error) {
        signal.throwIfAborted();
        // A stream that breaks off rejects with the platform's own errors; the node's refusals are final.
        if (error instanceof MeshError && (error.code !== 'unreachable' || !reached)) throw error;
      }
      reached = true;
      await this.#pause(signal);
    }
    throw new MeshError(
      'unreachable',
      `The node at ${this.url} stopped answering; what it accepted goes on once it runs again.`,
    );
  }

  /** Follows a capsule to its end and gives its whole record. */
  async waitForEnd(
    id: string,
    options: { signal?: AbortSignal; onEvent?: (event: MeshEvent) => void } = {},
  ): Promise<CapsuleView> {
    const { signal, onEvent } = options;
    for await (const event of this.follow({ id, signal })) onEvent?.(event);
    return this.request('GET /api/capsules/:id', { params: { id }, signal });
  }

  /** `T` is what the route is documented to answer; it is not checked again here. */
  async #call<T>(route: string, options: AnyOptions): Promise<T> {
    const [method = 'GET', path = ''] = route.split(' ');
    const late = new AbortController();
    const cancel = this.#clock.after(options.timeoutMs ?? ANSWER_TIMEOUT_MS, () =>
      late.abort(new MeshError('unreachable', `The node at ${this.url} did not answer in time.`)),
    );
    const signal = options.signal ? AbortSignal.any([options.signal, late.signal]) : late.signal;
    try {
      const response = await this.#send(method, filled(path, options.params), { ...options, signal });
      const isJson = response.headers.get('content-type')?.startsWith('application/json');
      const answer: unknown = await (isJson ? response.json() : bytesOf(response)).catch((cause: unknown) => {
        signal.throwIfAborted();
        const message = `The answer of ${this.url} broke off or is not what it should be.`;
        throw new MeshError('unreachable', message, undefined, { cause });
      });
      return answer as T;
    } finally {
      cancel();
    }
  }

  async *#events(
    path: string,
    since: string | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<{ id: string | undefined; event: MeshEvent }> {
    const silence = new AbortController();
    let cancel = (): void => undefined;
    const heard = (): void => {
      cancel();
      cancel = this.#clock.after(SILENCE_MS, () =>
        silence.abort(new MeshError('unreachable', `The node at ${this.url} fell silent.`)),
      );
    };
    heard();
    try {
      const { body } = await this.#send('GET', path, {
        signal: AbortSignal.any([signal, silence.signal]),
        headers: { accept: 'text/event-stream', ...(since !== undefined && { 'last-event-id': since }) },
      });
      if (body === null) return;
      const listening = new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          heard();
          controller.enqueue(chunk);
        },
      });
      const events = body
        .pipeThrough(listening)
        .pipeThrough(new TextDecoderStream())
        .pipeThrough(new EventSourceParserStream({ maxBufferSize: EVENT_CHARS }));
      const reader = events.getReader();
      try {
        for (let next = await reader.read(); next.value !== undefined; next = await reader.read()) {
          const { id, data } = next.value;
          yield { id, event: JSON.parse(data) as MeshEvent };
        }
      } finally {
        await reader.cancel().catch(() => undefined);
      }
    } finally {
      cancel();
    }
  }

  async #send(method: string, path: string, options: AnyOptions): Promise<Response> {
    const { query = {}, body, headers = {}, signal } = options;
    const url = new URL(this.url + path);
    for (const [name, value] of Object.entries(query))
      for (const each of Array.isArray(value) ? value : [value])
        if (each !== undefined) url.searchParams.append(name, String(each));
    const type = body instanceof Uint8Array ? ARCHIVE_TYPE : 'application/json';
    const response = await this.#fetch(url, {
      method,
      headers: {
        ...headers,
        ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
        ...(body !== undefined && { 'content-type': type }),
      },
      ...(body !== undefined && {
        body: body instanceof Uint8Array ? Uint8Array.from(body) : JSON.stringify(body),
      }),
      ...(signal && { signal }),
      redirect: 'error',
    }).catch((cause: unknown) => {
      signal?.throwIfAborted();
      throw new MeshError('unreachable', `No node answers at ${this.url}.`, undefined, { cause });
    });
    if (!response.ok) throw await refusal(response);
    return response;
  }

  async #pause(signal: AbortSignal): Promise<void> {
    let cancel = (): void => undefined;
    const waited = new Promise<void>((resolve) => {
      cancel = this.#clock.after(RECONNECT_MS, resolve);
    });
    await raceAbort(waited, signal).finally(cancel);
  }
}

interface AnyOptions extends RequestOptions {
  params?: unknown;
  query?: Readonly<Record<string, unknown>> | undefined;
  body?: unknown;
  headers?: Record<string, string>;
}

/** The path with its `:names` filled in. */
function filled(path: string, params: unknown): string {
  const values = new Map<string, unknown>(Object.entries(params ?? {}));
  return path.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(values.get(name))));
}

const bytesOf = async (response: Response): Promise<Uint8Array> =>
  new Uint8Array(await response.arrayBuffer());

async function refusal(response: Response): Promise<MeshError> {
  const body: unknown = await response.json().catch(() => undefined);
  if (typeof body === 'object' && body !== null && 'code' in body && 'message' in body) {
    const { code, message } = body;
    if (typeof code === 'string' && typeof message === 'string' && isErrorCode(code))
      return new MeshError(code, message, 'detail' in body ? body.detail : undefined);
  }
  return new MeshError('internal', `The node answered with status ${String(response.status)}.`);
}
