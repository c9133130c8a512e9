import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { fail } from '../fail.ts';

const KEY = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,255}$/;

/** Where an origin's documents are: no origin can name another's, since an identity is 64 hex characters. */
export const metaPrefix = (origin: string): string => `${origin}/meta/`;
export const metaKey = (origin: string, key: string): string => metaPrefix(origin) + key;
export const valueKey = (origin: string, key: string): string => `${origin}/value/${key}`;
export const usageKey = (holder: string): string => `${holder}/usage`;

export function checkKey(key: string): string {
  if (!KEY.test(key)) {
    throw fail(
      'invalid_payload',
      'A key begins with a letter or digit and has up to 256 letters, digits and ". _ : / -".',
    );
  }
  return key;
}

/** What is kept beside a value, so that listing does not read the values. */
export type Entry = { bytes: number; sha256: string; mediaType: string; storedAt: number };

export function toEntry(meta: JsonObject): Entry {
  const { bytes, sha256, mediaType, storedAt } = meta;
  if (
    typeof bytes !== 'number' ||
    typeof sha256 !== 'string' ||
    typeof mediaType !== 'string' ||
    typeof storedAt !== 'number'
  ) {
    throw fail('storage_failed', 'A stored document has no readable description.');
  }
  return { bytes, sha256, mediaType, storedAt };
}
