import { readdirSync, readFileSync } from 'node:fs';

export interface Vector {
  /** File name without its ending. */
  name: string;
  description: string;
  /** What an invalid one is refused with. */
  code?: string;
  /** Who signs a valid one, by name in `protocols/common/v1/vectors/keys.json`. */
  signer?: string;
  /** Canonical form of what is hashed. */
  canonical?: string;
  /** Clock of the receiver, ms since the epoch. */
  now?: number;
  [field: string]: unknown;
}

const PROTOCOLS = new URL('../../protocols/', import.meta.url);

export type VectorKind = 'capsule' | 'receipt' | 'assignment' | 'settlement' | 'manifest' | 'messages';

/** Every vector of one kind, in order. */
export function loadVectors(kind: VectorKind, which: 'valid' | 'invalid'): Vector[] {
  const folder = new URL(`${kind}/v1/vectors/${which}/`, PROTOCOLS);
  return readdirSync(folder)
    .sort()
    .map((file) => ({
      description: '',
      ...readJson(new URL(file, folder)),
      name: file.replace(/\.json$/, ''),
    }));
}

/** A JSON file below `protocols/`. */
export function readProtocolFile(path: string): Record<string, unknown> {
  return readJson(new URL(path, PROTOCOLS));
}

/** Throws where the value is not an object. */
export function objectOf(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw new TypeError('Not an object.');
  return { ...value };
}

function readJson(url: URL): Record<string, unknown> {
  return objectOf(JSON.parse(readFileSync(url, 'utf8')));
}
