import type { FastifyRequest } from 'fastify';
import { MeshError } from '../lib/errors.ts';

/**
 * What a token may do. `read` reads everything and changes nothing; `run` submits, and reads what came of that; `admin` may
 * do all but manage tokens.
 */
export const SCOPES = ['read', 'run', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** A caller: the owner of the data directory, or the holder of a token that the owner made. */
export interface Principal {
  name: string;
  scope: Scope | 'owner';
  /** Capabilities that it may ask for; null for all. */
  capabilities: readonly string[] | null;
  /** What its capsules may cost in one day (UTC), in millionths of a credit; null for no limit. */
  microSpendPerDay: number | null;
  /** ms since the epoch; null for never. */
  expiresAt: number | null;
}

export const OWNER_NAME = 'owner';

/** With the data directory's own token, or a page that was opened with a code. */
export const OWNER: Principal = Object.freeze({
  name: OWNER_NAME,
  scope: 'owner',
  capabilities: null,
  microSpendPerDay: null,
  expiresAt: null,
});

export interface PrincipalRecord extends Principal {
  scope: Scope;
  createdAt: number;
  /** Counted against `microSpendPerDay` today. */
  microSpentToday: number;
}

export interface Claim {
  /** Resolves when it is stored. */
  durable: Promise<void>;
  /** As if nothing had been submitted. */
  undo(): Promise<void>;
}

/** The principals beside the owner, and what each has submitted. */
export interface Principals {
  /** The token is told here and never again. Throws `conflict` where there is one of that name, `busy` where there are too many. */
  create(
    init: Omit<Principal, 'scope'> & { scope: Scope },
  ): Promise<{ principal: PrincipalRecord; token: string }>;
  /** By name. */
  list(): PrincipalRecord[];
  /** Its token opens nothing any more. Throws `not_found`. */
  revoke(name: string): Promise<PrincipalRecord>;
  /** The principal of a token; undefined for an unknown or expired one. */
  find(token: string): Principal | undefined;
  /**
   * Writes down that the capsule is this principal's, and what it costs at most. In one tick: a capsule that is submitted
   * right afterwards is not durable before it. Throws `permission_denied` or `rate_limited` beyond what may be spent.
   */
  claim(name: string, id: string, microCost: number): Claim;
  /** Name of the principal that submitted the capsule; undefined where the owner did, or another node. */
  ownerOf(id: string): string | undefined;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Which tokens get in beside `admin` and the owner's. */
    scopes?: readonly Scope[];
    /** Only the owner's token gets in. */
    ownerOnly?: boolean;
  }
  interface FastifyRequest {
    /** Null before it is known, and on open routes. */
    principal: Principal | null;
  }
}

/** For routes that change nothing and show the node. */
export const READERS = ['read'] as const satisfies Scope[];
/** For routes about what the caller itself submits. */
export const RUNNERS = ['run'] as const satisfies Scope[];
/** For routes that show what `run` may see of its own, and `read` of all. */
export const EITHER = ['read', 'run'] as const satisfies Scope[];

/** Throws `permission_denied`, naming a scope that would do. */
export function checkScope(
  { scope }: Principal,
  { scopes = [], ownerOnly = false }: { scopes?: readonly Scope[]; ownerOnly?: boolean },
): void {
  if (scope === 'owner' || (!ownerOnly && scope === 'admin')) return;
  if (!ownerOnly && scopes.some((each) => each === scope)) return;
  throw missing(ownerOnly ? 'owner' : (scopes[0] ?? 'admin'), scope);
}

export function missing(needed: Scope | 'owner', scope: Principal['scope']): MeshError {
  const whose = needed === 'owner' ? 'the token of the data directory' : `a token with the scope "${needed}"`;
  return new MeshError('permission_denied', `This needs ${whose}; this one has the scope "${scope}".`, {
    missing: needed,
    scope,
  });
}

/** The caller of a route that is not open. */
export function principalOf({ principal }: Pick<FastifyRequest, 'principal'>): Principal {
  if (principal === null) throw new MeshError('internal', 'The caller of this route is not known.');
  return principal;
}

/** Whether it sees what it submitted itself, and nothing else. */
export const seesOwnOnly = ({ scope }: Principal): boolean => scope === 'run';
