import { abortError } from '../lib/abort.ts';
import { MeshError } from '../lib/errors.ts';
import type { NetworkApi } from './capability.ts';
import type { PermissionUse } from './permission-use.ts';

/** Bytes of a response's body that a capability gets; the rest is not read. */
const MAX_BODY_BYTES = 1_048_576;
const MAX_REQUEST_BYTES = 1_048_576;
const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Not handed to another origin than the one they were meant for. */
const SECRET_HEADERS = new Set(['authorization', 'cookie', 'proxy-authorization']);

export interface ScopedNetworkComponents {
  fetch: typeof globalThis.fetch;
  permissions: PermissionUse;
  signal: AbortSignal;
  /** What `network:config` stands for, by name. */
  webhooks: Webhooks;
}

/** Where the operator lets capabilities send things, by the name that a capsule gives. */
export type Webhooks = ReadonlyMap<string, { url: string; headers: Readonly<Record<string, string>> }>;

type FetchInit = NonNullable<Parameters<NetworkApi['fetch']>[1]>;

/** HTTP to the hosts that the manifest lists, redirects included, and to the operator's webhooks (capability.ts `NetworkApi`). */
export function scopedNetwork(components: ScopedNetworkComponents): NetworkApi {
  const { fetch, permissions, signal, webhooks } = components;

  /** One request, `name` being what it may be called in front of whoever asked. */
  async function ask(url: URL, init: FetchInit, name: string): Promise<Response> {
    return fetch(url, { ...init, redirect: 'manual', signal }).catch((error: unknown) => {
      throw signal.aborted ? abortError(signal) : unreachable(name, error);
    });
  }

  async function request(
    url: URL,
    init: FetchInit,
    redirects: number,
  ): Promise<{ status: number; body: string }> {
    permissions.use(permissionFor(url));
    const response = await ask(url, init, url.host);
    const location = REDIRECTS.has(response.status) ? response.headers.get('location') : null;
    if (location === null) return { status: response.status, body: await readBody(response, url.host) };
    await response.body?.cancel();
    if (redirects === 0) throw new MeshError('unreachable', `${url.host} redirects too often.`);
    const target = parseUrl(location, url);
    return request(target, redirected(init, response.status, url, target), redirects - 1);
  }

  /** The declared permission that covers this address; the narrowest one's name where the manifest has none. */
  function permissionFor(url: URL): string {
    const port = url.port || (url.protocol === 'https:' ? '443' : '80');
    const names = url.port === '' ? [url.hostname, `${url.hostname}:${port}`] : [`${url.hostname}:${port}`];
    const declared = names.map((name) => `network:${name}`).find((name) => permissions.declares(name));
    return declared ?? `network:${url.host}`;
  }

  async function readBody(response: Response, name: string): Promise<string> {
    const decoder = new TextDecoder();
    let text = '';
    let left = MAX_BODY_BYTES;
    try {
      for await (const chunk of response.body ?? []) {
        text += decoder.decode(chunk.subarray(0, left), { stream: true });
        left -= chunk.length;
        if (left <= 0) break;
      }
    } catch (error) {
      throw signal.aborted ? abortError(signal) : unreachable(name, error);
    }
    return text + decoder.decode();
  }

  return Object.freeze({
    fetch: async (url: string, init: FetchInit = {}) => {
      const { method, headers, body } = init;
      if (body !== undefined) assertSize(body);
      const given = {
        ...(method && { method }),
        ...(headers && { headers }),
        ...(body !== undefined && { body }),
      };
      return request(parseUrl(url), given, MAX_REDIRECTS);
    },
    webhook: async (
      name: string,
      { headers = {}, body }: { headers?: Record<string, string>; body: string },
    ) => {
      permissions.use('network:config');
      const webhook = webhooks.get(name);
      if (webhook === undefined) throw new MeshError('not_found', 'This node has no webhook of that name.');
      assertSize(body);
      const given = new Headers(headers);
      for (const [header, value] of Object.entries(webhook.headers)) given.set(header, value);
      const init = { method: 'POST', headers: Object.fromEntries(given), body };
      const response = await ask(parseUrl(webhook.url), init, `The webhook ${name}`);
      return { status: response.status, body: await readBody(response, `The webhook ${name}`) };
    },
  });
}

function assertSize(body: string): void {
  if (Buffer.byteLength(body) > MAX_REQUEST_BYTES)
    throw new MeshError('too_large', `A request's body may have ${MAX_REQUEST_BYTES} bytes at most.`);
}

function parseUrl(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  const usable = url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
  if (usable) return url;
  throw new MeshError(
    'invalid_payload',
    'The address is not an http or https URL without a user name in it.',
  );
}

/** What browsers do: a 303, and a POST answered by 301 or 302, goes on as a GET without a body. */
function redirected(init: FetchInit, status: number, from: URL, to: URL): FetchInit {
  const method = init.method?.toUpperCase() ?? 'GET';
  const asGet = (status === 303 && method !== 'HEAD') || (status < 303 && method === 'POST');
  const kept = Object.entries(init.headers ?? {}).filter(
    ([name]) =>
      (from.origin === to.origin || !SECRET_HEADERS.has(name.toLowerCase())) &&
      !(asGet && name.toLowerCase().startsWith('content-')),
  );
  const headers = Object.fromEntries(kept);
  if (asGet) return { method: 'GET', headers };
  return { method, headers, ...(init.body !== undefined && { body: init.body }) };
}

function unreachable(name: string, cause: unknown): MeshError {
  return new MeshError('unreachable', `${name} could not be reached.`, undefined, { cause });
}
