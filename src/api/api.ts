import type { AddressInfo } from 'node:net';
import { MeshError } from '../lib/errors.ts';
import type { Startable } from '../lib/lifecycle.ts';
import { Access, addressWith } from './access.ts';
import type { ApiComponents, ApiInit } from './components.ts';
import type { Server } from './route-context.ts';
import { isLoopback } from './same-origin.ts';
import { buildServer } from './server.ts';

/** After so long a stop no longer waits for clients that neither read nor close. */
const STOP_GRACE_MS = 3_000;

export interface Api extends Startable {
  /** `http://127.0.0.1:4480`; throws `conflict` unless started. */
  readonly url: string;
  /** The address for a browser; carries a one-time code, so a new one each time. */
  consoleUrl(): string;
}

/** Throws `config_invalid` where the address can be reached from elsewhere and there is no token. */
export function createApi(components: ApiComponents, init: ApiInit): Api {
  if (init.token === null && !isLoopback(init.host)) {
    throw new MeshError('config_invalid', `The API may not listen on ${init.host} without a token.`, {
      path: 'api.requireToken',
      found: false,
      allowed: true,
    });
  }
  return new HttpApi(components, init);
}

class HttpApi implements Api {
  readonly #components: ApiComponents;
  readonly #init: ApiInit;
  readonly #access: Access;
  #server: Server | undefined;

  constructor(components: ApiComponents, init: ApiInit) {
    this.#components = components;
    this.#init = { ...init, hosts: [...init.hosts, ...publicHost(init)] };
    this.#access = new Access(components, init);
  }

  get url(): string {
    const address = this.#server?.server.address();
    if (!isBound(address)) throw new MeshError('conflict', 'The API is not listening.');
    const { host } = this.#init;
    // A wildcard is no address to call; the machine itself is always behind it.
    const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
    return `http://${name.includes(':') ? `[${name}]` : name}:${address.port}`;
  }

  consoleUrl(): string {
    return addressWith(this.#access.issueCode(), this.#init.publicUrl ?? this.url);
  }

  /** Rejects with `address_in_use` or, for an address that cannot be bound, `config_invalid`. */
  async start(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = await buildServer(this.#components, this.#init, this.#access);
    try {
      await server.listen({ host: this.#init.host, port: this.#init.port });
    } catch (error) {
      await server.close();
      throw this.#cannotBind(error);
    }
    this.#server = server;
  }

  /** Ends event streams, lets requests finish, and cuts off what does not within the grace. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const cancel = this.#components.clock.after(STOP_GRACE_MS, () => server.server.closeAllConnections());
    try {
      await server.close();
    } finally {
      cancel();
    }
  }

  #cannotBind(error: unknown): MeshError {
    const { host, port } = this.#init;
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    if (code === 'EADDRINUSE') {
      return new MeshError('address_in_use', `Port ${port} on ${host} is taken; choose another with --api.`, {
        host,
        port,
      });
    }
    return new MeshError('config_invalid', `The API cannot listen on ${host}:${port} (${code}).`, {
      host,
      port,
    });
  }
}

/** The host of the printed address: requests under it are answered. */
function publicHost({ publicUrl }: ApiInit): string[] {
  if (publicUrl === null) return [];
  const { hostname, port } = new URL(publicUrl);
  // A browser leaves the port of its scheme out of `Host`, and a proxy may put it in.
  return (port === '' ? [80, 443] : [port]).map((each) => `${hostname}:${each}`);
}

function isBound(address: AddressInfo | string | null | undefined): address is AddressInfo {
  return typeof address === 'object' && address !== null;
}
