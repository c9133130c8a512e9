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

/** Besides manifest and envelope, without which nothing can be said at all. */
export const REQUIRED_PLAIN = [PATHS.program, PATHS.chain] as const;
export const REQUIRED_ENCRYPTED = [PATHS.blob, PATHS.decryption] as const;
