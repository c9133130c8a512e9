import { timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { Clock } from '../lib/clock.ts';
import type { Crypto } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';
import { OWNER, type Principal, type Principals } from './principal.ts';

const SECRET_BYTES = 32;
/** A code is printed on a terminal and may wait there for its owner. */
const CODE_LIFETIME_MS = 60 * 60_000;
const SESSION_LIFETIME_MS = 7 * 24 * 60 * 60_000;
/** Codes and sessions held at once; the oldest makes room. A person has a few browsers. */
const MAX_CODES = 16;
const MAX_SESSIONS = 64;

interface AccessComponents {
  principals: Pick<Principals, 'find'>;
  crypto: Pick<Crypto, 'randomBytes' | 'sha256'>;
  clock: Pick<Clock, 'monotonic'>;
}

/**
 * Checks callers: holders of the owner's token or of one that the owner made, and a page that was opened with a one-time code
 * (interfaces "HTTP"). There are no cookies: they ignore ports, and so would go to every other server of the same host name.
 */
export class Access {
  readonly #crypto: AccessComponents['crypto'];
  readonly #clock: AccessComponents['clock'];
  readonly #principals: AccessComponents['principals'];
  readonly #tokenHash: Uint8Array | null;
  readonly #codes = new Map<string, number>();
  readonly #sessions = new Map<string, number>();

  constructor(components: AccessComponents, init: { token: string | null }) {
    this.#crypto = components.crypto;
    this.#clock = components.clock;
    this.#principals = components.principals;
    this.#tokenHash = init.token === null ? null : this.#crypto.sha256(init.token);
  }

  /** For `/#code=…`: works once. */
  issueCode(): string {
    return this.#issue(this.#codes, CODE_LIFETIME_MS, MAX_CODES);
  }

  /** The token for the page that shows the code; undefined for one that is unknown, used or too old. */
  redeem(code: string): { token: string; expiresInMs: number } | undefined {
    if (!this.#isLive(this.#codes, code)) return undefined;
    this.#codes.delete(this.#keyOf(code));
    const token = this.#issue(this.#sessions, SESSION_LIFETIME_MS, MAX_SESSIONS);
    return { token, expiresInMs: SESSION_LIFETIME_MS };
  }

  /** The caller. Throws `unauthorized`. */
  check(request: FastifyRequest): Principal {
    const bearer = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    const known = bearer === undefined ? undefined : this.#holderOf(bearer);
    if (known !== undefined) return known;
    if (this.#tokenHash === null) return OWNER;
    if (bearer !== undefined)
      throw new MeshError('unauthorized', 'The token is none of this node, or has expired or been revoked.');
    throw new MeshError(
      'unauthorized',
      'This needs a token: send "Authorization: Bearer" with one of `capsule token create`, or the content of "api-token" in the data directory.',
    );
  }

  #holderOf(bearer: string): Principal | undefined {
    const owns = this.#tokenHash !== null && timingSafeEqual(this.#crypto.sha256(bearer), this.#tokenHash);
    if (owns || this.#isLive(this.#sessions, bearer)) return OWNER;
    return this.#principals.find(bearer);
  }

  /** Secrets are looked up by their hash, so that the time of a look-up tells nothing about them. */
  #keyOf(secret: string): string {
    return Buffer.from(this.#crypto.sha256(secret)).toString('hex');
  }

  #issue(secrets: Map<string, number>, lifetimeMs: number, max: number): string {
    const secret = Buffer.from(this.#crypto.randomBytes(SECRET_BYTES)).toString('base64url');
    const [oldest] = secrets.keys();
    if (secrets.size >= max && oldest !== undefined) secrets.delete(oldest);
    secrets.set(this.#keyOf(secret), this.#clock.monotonic() + lifetimeMs);
    return secret;
  }

  #isLive(secrets: Map<string, number>, secret: string): boolean {
    const key = this.#keyOf(secret);
    const expires = secrets.get(key);
    if (expires === undefined) return false;
    if (expires > this.#clock.monotonic()) return true;
    secrets.delete(key);
    return false;
  }
}

/** The code stands in the fragment, which a browser does not send and no log has. */
export const addressWith = (code: string, base: string): string => `${base}/#code=${code}`;
