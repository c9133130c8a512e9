import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromHex } from '../../../src/lib/hex.ts';
import { type FuzzReport, fuzz } from './fuzz.ts';
import type { Random } from './mutations.ts';

/** Archives of every kind, small. */
const SEEDS = [
  'valid/output/minimal.capsule',
  'valid/output/full.capsule',
  'valid/output/two-signers.capsule',
  'valid/output/deflate-entry.capsule',
  'valid/output/data-descriptors.capsule',
  'valid/output/encrypted.capsule',
  'valid/output/encrypted-to-two.capsule',
  'continued/output/continued.capsule',
];

/** Fuzzes our own valid vectors, which lie in `folder`. */
export function fuzzVectors(
  folder: string,
  random: Random,
  goOn: (cases: number) => boolean,
): Promise<FuzzReport> {
  const keys = JSON.parse(readFileSync(join(folder, 'keys.json'), 'utf8'));
  return fuzz({
    seeds: SEEDS.map((name) => new Uint8Array(readFileSync(join(folder, name)))),
    recipientSecret: fromHex(keys.recipient.privateKey),
    random,
    goOn,
  });
}
