import type { JsonObject } from '../../protocols/common/v1/schema.ts';
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
  /** `hosts` lists what `network:config` stands for: `host` (the scheme's own port) or `host:port`. */
  config: JsonObject;
}

type FetchInit = NonNullable<Parameters<NetworkApi['fetch']>[1]>;

/** HTTP to the hosts that the manifest or the operator lists, redirects included (capability.ts `NetworkApi`). */
export function scopedNetwork(components: ScopedNetworkComponents): NetworkApi {
  const { fetch, permissions, signal, config } = components;

  async function request(
    url: URL,
    init: FetchInit,
    redirects: number,
  ): Promise<{ status: number; body: string }> {
    permissions.use(permissionFor(url));
    const response = await fetch(url, { ...init, redirect: 'manual', signal }).catch((error: unknown) => {
      throw signal.aborted ? abortError(signal) : unreachable(url, error);
    });
    const location = REDIRECTS.has(response.status) ? response.headers.get('location') : null;
    if (location === null) return { status: response.status, body: await readBody(response, url) };
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
    if (declared !== undefined) return declared;
    if (!permissions.declares('network:config')) return `network:${url.host}`;
    if (names.some((name) => isListed(config.hosts, name))) return 'network:config';
    permissions.assertRunning();
    const setting = `capabilities.settings.${permissions.moduleId}.hosts`;
    const sentence = `The operator has not listed the host ${url.host} in ${setting}.`;
    throw permissions.refuse(`network:${url.host}`, sentence);
  }

  async function readBody(response: Response, url: URL): Promise<string> {
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
      throw signal.aborted ? abortError(signal) : unreachable(url, error);
    }
    return text + decoder.decode();
  }

  return Object.freeze({
    fetch: async (url: string, init: FetchInit = {}) => {
      const { method, headers, body } = init;
      if (body !== undefined && Buffer.byteLength(body) > MAX_REQUEST_BYTES) {
        throw new MeshError('too_large', `A request's body may have ${MAX_REQUEST_BYTES} bytes at most.`);
      }
      const given = {
        ...(method && { method }),
        ...(headers && { headers }),
        ...(body !== undefined && { body }),
      };
      return request(parseUrl(url), given, MAX_REDIRECTS);
    },
  });
}

function isListed(hosts: unknown, name: string): boolean {
  return (
    Array.isArray(hosts) && hosts.some((host) => typeof host === 'string' && host.toLowerCase() === name)
  );
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

function unreachable(url: URL, cause: unknown): MeshError {
  return new MeshError('unreachable', `${url.host} could not be reached.`, undefined, { cause });
}
