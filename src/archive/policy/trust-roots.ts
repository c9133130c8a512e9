import { isHex, toHex } from '../../lib/hex.ts';
import { KEY_BYTES } from '../envelope.ts';

/** A key with which an issuer signs attestations, and that the host got from elsewhere than from the archive. */
export interface PinnedRoot {
  issuer: string;
  kid?: string;
  /** 64-hex Ed25519 key. */
  publicKey: string;
}

/** The same as an RFC 8037 key (`kty` OKP, `crv` Ed25519, `x` in base64url), with its issuer added. */
export interface JwkRoot extends Pick<PinnedRoot, 'issuer' | 'kid'> {
  kty: string;
  crv?: string;
  x?: string;
}

export type TrustRoot = PinnedRoot | JwkRoot;

/** 32 bytes in base64url without padding. */
const KEY_TEXT = /^[A-Za-z0-9_-]{43}$/;

/** One name for an issuer, which documents write as an origin or as a bare DNS name: `loanco.example`. */
export function normalizeIssuer(issuer: string): string {
  return issuer
    .toLowerCase()
    .replace(/^https?:\/\//, '')
    .replace(/\/$/, '');
}

/** The keys that the host knows of an issuer, 64-hex, by their `kid`. */
export function keysOf(roots: readonly TrustRoot[], issuer: string) {
  const name = normalizeIssuer(issuer);
  return roots.flatMap((root) => {
    const key = normalizeIssuer(root.issuer) === name ? keyOf(root) : null;
    return key === null ? [] : [{ kid: root.kid, key }];
  });
}

/** Null for a key of another kind, such as one for encryption. */
function keyOf(root: TrustRoot): string | null {
  if ('publicKey' in root) return isHex(root.publicKey, KEY_BYTES) ? root.publicKey : null;
  const { kty, crv, x } = root;
  if (kty !== 'OKP' || crv !== 'Ed25519' || x === undefined || !KEY_TEXT.test(x)) return null;
  const binary = atob(x.replaceAll('-', '+').replaceAll('_', '/'));
  return toHex(Uint8Array.from(binary, (character) => character.charCodeAt(0)));
}
