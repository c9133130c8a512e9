import { timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { Clock } from '../lib/clock.ts';
import type { Crypto } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';

const SECRET_BYTES = 32;
/** A code is printed on a terminal and may wait there for its owner. */
const CODE_LIFETIME_MS = 60 * 60_000;
const SESSION_LIFETIME_MS = 7 * 24 * 60 * 60_000;
/** Codes and sessions held at once; the oldest makes room. A person has a few browsers. */
const MAX_CODES = 16;
const MAX_SESSIONS = 64;

interface AccessComponents {
  crypto: Pick<Crypto, 'randomBytes' | 'sha256'>;
  clock: Pick<Clock, 'monotonic'>;
}

/**
 * Who may call: a program with the bearer token, or a browser whose session began with a one-time code
 * (interfaces "HTTP").
 */
export class Access {
  readonly #crypto: AccessComponents['crypto'];
  readonly #clock: AccessComponents['clock'];
  readonly #tokenHash: Uint8Array | null;
  readonly #codes = new Map<string, number>();
  readonly #sessions = new Map<string, number>();
  /** Cookies do not tell ports apart, so each node of a machine needs its own name. */
  readonly cookieName: string;

  constructor(components: AccessComponents, init: { token: string | null; identity: string }) {
    this.#crypto = components.crypto;
    this.#clock = components.clock;
    this.#tokenHash = init.token === null ? null : this.#crypto.sha256(init.token);
    this.cookieName = `capsule_${init.identity.slice(0, 12)}`;
  }

  /** For `/?code=…`: works once. */
  issueCode(): string {
    return this.#issue(this.#codes, CODE_LIFETIME_MS, MAX_CODES);
  }

  /** The session that a code begins; undefined for one that is unknown, used or too old. */
  redeem(code: string): { session: string; maxAgeSeconds: number } | undefined {
    if (!this.#isLive(this.#codes, code)) return undefined;
    this.#codes.delete(this.#keyOf(code));
    const session = this.#issue(this.#sessions, SESSION_LIFETIME_MS, MAX_SESSIONS);
    return { session, maxAgeSeconds: SESSION_LIFETIME_MS / 1000 };
  }

  /** Throws `unauthorized`. */
  check(request: FastifyRequest): void {
    if (this.#tokenHash === null) return;
    const bearer = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (bearer !== undefined) {
      if (timingSafeEqual(this.#crypto.sha256(bearer), this.#tokenHash)) return;
      throw new MeshError('unauthorized', 'The token is not the one of this node.');
    }
    const session = request.cookies[this.cookieName];
    if (session !== undefined && this.#isLive(this.#sessions, session)) return;
    throw new MeshError(
      'unauthorized',
      'This needs the token: send "Authorization: Bearer" with the content of "api-token" in the data directory.',
    );
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
