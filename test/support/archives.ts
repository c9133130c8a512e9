import { nodeArchiveCrypto as crypto } from '../../src/archive/crypto/node-crypto.ts';
import { sealToBytes } from '../../src/archive/seal/seal.ts';
import type { ArchiveDraft, EventDraft, SealOptions } from '../../src/archive/types.ts';
import { draftOf, sealing } from './sealing.ts';

export const components = { crypto };

/** An event of alice's about a small draft. */
export const event = (summary: string, more: Partial<EventDraft> = {}): EventDraft => ({
  actor: 'human:alice',
  kind: 'decision',
  action: 'approved',
  target: 'program.md',
  payload: { summary },
  ...more,
});

/** A sealed archive's bytes: `draftOf` with two events, `Began.` and `Ended.`. */
export async function archiveBytes(
  changes: Partial<ArchiveDraft> = {},
  options: Partial<SealOptions> = {},
): Promise<Uint8Array> {
  const events = [event('Began.'), event('Ended.', { actor: 'ai:helper', action: 'noted' })];
  return (await sealToBytes(components, draftOf({ events, ...changes }), sealing(options))).bytes;
}

/** Replaces the first occurrence of a text by one of the same length, in the raw bytes of an archive. */
export function patched(bytes: Uint8Array, from: string, to: string): Uint8Array {
  if (from.length !== to.length) throw new RangeError('Both must have the same length.');
  const copy = Buffer.from(bytes);
  const at = copy.indexOf(from);
  if (at < 0) throw new RangeError(`${from} is not there.`);
  copy.write(to, at);
  return new Uint8Array(copy);
}
