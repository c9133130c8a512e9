import type { Expected } from '../conformance/shapes.ts';

/** One archive and what verification must say about it. */
export interface Vector {
  name: string;
  /** Why, for a person. */
  description: string;
  archive: Uint8Array | Promise<Uint8Array>;
  expected: Expected;
  allowlist?: string[];
  key?: string;
  limits?: { max_entries?: number; max_total_bytes?: number };
}

export interface VectorCollection {
  name: string;
  description: string;
  vectors: Vector[];
}

/** Verifies, under `strict` too. */
export const OK: Expected = { ok: true, failing: [], warnings: [], strict: { ok: true, failing: [] } };

/** Fails in these areas and no other, strictly or not. */
export const fails = (failing: string[], more: Expected = {}): Expected => ({ ok: false, failing, ...more });

/** Verifies, with warnings in these areas that `strict` makes findings of. */
export const onlyStrictFails = (...areas: string[]): Expected => ({
  ok: true,
  failing: [],
  warnings: areas,
  strict: { ok: false, failing: areas },
});

/** Refused before anything is verified. */
export const refused = (reason: string): Expected => ({
  ok: false,
  failing: ['layout'],
  stage: 'open',
  reason,
});
