import { fromHex, isHex, toHex } from '../../lib/hex.ts';
import { KEY_BYTES } from '../envelope.ts';
import { normalizeIssuer } from './issuer.ts';

/** A key with which an issuer signs attestations, and that the host got from elsewhere than from the archive. */
export interface PinnedRoot {
  issuer: string;
  kid?: string;
  /** 64-hex Ed25519 key. */
  publicKey: string;
}

/** The same as an RFC 8037 key (`kty` OKP, `crv` Ed25519, `x` in base64url), with its issuer added. */
export interface JwkRoot {
  issuer: string;
  kid?: string;
  kty: string;
  crv?: string;
  x?: string;
}

export type TrustRoot = PinnedRoot | JwkRoot;

/** 32 bytes in base64url without padding. */
const KEY_TEXT = /^[A-Za-z0-9_-]{43}$/;

/** Whether the host knows any key of this issuer. */
export function knowsIssuer(roots: readonly TrustRoot[], issuer: string): boolean {
  return rootsOf(roots, issuer).length > 0;
}

/**
 * The one key that an issuer's `kid` stands for, 32 bytes; null where there is none or more than one, since trying them
 * all would let each key of a set sign for the others. Without `kid`, the issuer must have a single key.
 */
export function selectKey(
  roots: readonly TrustRoot[],
  issuer: string,
  kid: string | undefined,
): Uint8Array | null {
  const keys = new Set(
    rootsOf(roots, issuer)
      .filter((root) => kid === undefined || root.kid === kid)
      .map(keyOf),
  );
  const [key] = keys;
  return keys.size === 1 && typeof key === 'string' ? fromHex(key) : null;
}

function rootsOf(roots: readonly TrustRoot[], issuer: string): TrustRoot[] {
  const name = normalizeIssuer(issuer);
  return roots.filter((root) => normalizeIssuer(root.issuer) === name && keyOf(root) !== null);
}

/** Null for a key of another kind, such as one for encryption. */
function keyOf(root: TrustRoot): string | null {
  if ('publicKey' in root) return isHex(root.publicKey, KEY_BYTES) ? root.publicKey : null;
  const { kty, crv, x } = root;
  if (kty !== 'OKP' || crv !== 'Ed25519' || x === undefined || !KEY_TEXT.test(x)) return null;
  const binary = atob(x.replaceAll('-', '+').replaceAll('_', '/'));
  return toHex(Uint8Array.from(binary, (character) => character.charCodeAt(0)));
}
