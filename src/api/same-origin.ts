import { isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';
import { MeshError } from '../lib/errors.ts';

const HTTP_PORT = 80;

/** Where a request came in: the socket's own end. */
interface Arrival {
  localAddress?: string | undefined;
  localPort?: number | undefined;
}

/**
 * Throws `forbidden_origin` unless the request names this API by an address of its own or a configured name, and,
 * where a browser says which page asks, that page came from the very name and port that are asked. So a page elsewhere can neither call a node
 * nor reach it under a name that its owner points here (DNS rebinding).
 */
export function checkSameOrigin(request: FastifyRequest, hosts: readonly string[]): void {
  const host = hostOf(`http://${request.headers.host ?? ''}`);
  if (host === undefined || !(isConfigured(host, hosts) || isOwn(host, request.socket))) {
    throw new MeshError(
      'forbidden_origin',
      'The Host header names another server; add the name to "api.hosts" if this node should answer to it.',
      { host: request.headers.host ?? null },
    );
  }
  const { origin } = request.headers;
  if (origin === undefined || isSame(origin, request.headers.host ?? '')) return;
  throw new MeshError('forbidden_origin', 'Pages of another origin may not call this node.', { origin });
}

/** A loopback address or name, which nothing outside this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

interface Host {
  name: string;
  port: number;
  /** `name:port`, for comparing. */
  text: string;
}

function hostOf(url: string): Host | undefined {
  if (!URL.canParse(url)) return undefined;
  const { protocol, hostname, port, username, pathname } = new URL(url);
  if (hostname === '' || username !== '' || pathname.length > 1) return undefined;
  const name = hostname.replace(/^\[|\]$/g, '');
  const number = port === '' ? (protocol === 'https:' ? 443 : HTTP_PORT) : Number(port);
  return { name, port: number, text: `${name}:${number}` };
}

/** Whether the page is one of the server that it asks, port included; a name alone has the port of the page's scheme. */
function isSame(origin: string, host: string): boolean {
  if (!URL.canParse(origin)) return false;
  const page = new URL(origin);
  if (page.protocol !== 'http:' && page.protocol !== 'https:') return false;
  const asked = `${page.protocol}//${host}`;
  return page.host !== '' && URL.canParse(asked) && new URL(asked).host === page.host;
}

function isConfigured(host: Host, hosts: readonly string[]): boolean {
  return hosts.some((each) => each.toLowerCase() === host.name || each.toLowerCase() === host.text);
}

function isOwn({ name, port }: Host, { localAddress, localPort }: Arrival): boolean {
  if (port !== localPort) return false;
  return isLoopback(name) || name === localAddress?.replace(/^::ffff:/, '');
}
