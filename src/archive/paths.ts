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

/** Besides manifest and envelope, without which nothing can be said at all. */
export const REQUIRED_PLAIN = [PATHS.program, PATHS.chain] as const;
