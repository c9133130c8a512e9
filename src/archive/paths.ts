import type { Manifest } from '../../protocols/archive/v1/schema.ts';

/** Fixed places in an archive (archive-v0.6 "Layout"). */
export const PATHS = {
  manifest: 'manifest.json',
  envelope: 'provenance/envelope.json',
  chain: 'chain/events.jsonl',
  program: 'program.md',
  agents: 'agents.md',
  blob: 'content.enc',
  decryption: 'skills/decryption/decryption.json',
  payload: 'payload/',
} as const;

/** Whatever is in there is metadata of the encryption and never a skill. */
const DECRYPTION_FOLDER = 'skills/decryption/';

/**
 * Where an encrypted archive says that its metadata is: `decryption.json`, or another file of the same folder. Null for
 * any other place, which could be a skill's or a file's with rules of its own.
 */
export function metadataPathOf({ encryption }: Manifest): string | null {
  const path = encryption?.metadata_path ?? PATHS.decryption;
  return path.startsWith(DECRYPTION_FOLDER) ? path : null;
}

/**
 * Whether a file has to be in the content index. The blob is left out only where the signed envelope says that it is
 * encrypted, so that a plain archive cannot carry one unaccounted for.
 */
export function isIndexed(path: string, cipher: string): boolean {
  if (path === PATHS.manifest || path === PATHS.envelope) return false;
  return path !== PATHS.blob || cipher === 'none';
}
