import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { fail } from '../fail.ts';
import { requiredString } from '../payload.ts';

/**
 * Work for strangers: what an archive of one capsule may unpack to, and in how many entries. Far more than anything
 * honest that fits into a capsule of 1 MiB.
 */
export const WORK_LIMITS = { maxTotalBytes: 33_554_432, maxEntries: 2_000 } as const;

/** The archive in the payload. */
export function archiveIn(payload: JsonObject): Uint8Array {
  return fromBase64('archive', requiredString(payload, 'archive'));
}

/** Strictly: one text, one value. Throws `invalid_payload`. */
export function fromBase64(name: string, text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') === text) return bytes;
  throw fail('invalid_payload', `"${name}" must be base64, with its padding.`);
}

export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** A list of strings that the manifest's schema has checked. */
export function stringsOf(payload: JsonObject, key: string): string[] | undefined {
  const value = payload[key];
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  throw fail('invalid_payload', `"${key}" must be a list of strings.`);
}
