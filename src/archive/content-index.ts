import type { IndexedFile } from '../../protocols/archive/v1/schema.ts';
import type { Crypto } from '../lib/crypto.ts';
import { canonicalBytes } from './canonical.ts';
import { PATHS } from './paths.ts';

/** `index_hash` of a manifest: SHA-256 over the canonical list as it is stored (archive-v0.6 "Manifest"). */
export function indexHash(crypto: Pick<Crypto, 'sha256Hex'>, files: IndexedFile[]): string {
  return crypto.sha256Hex(canonicalBytes(files));
}

/**
 * Whether a file has to be in the index. The blob is left out only where the signed envelope says that it is
 * encrypted, so that a plain archive cannot carry one unaccounted for.
 */
export function isIndexed(path: string, cipher: string): boolean {
  if (path === PATHS.manifest || path === PATHS.envelope) return false;
  return path !== PATHS.blob || cipher === 'none';
}
