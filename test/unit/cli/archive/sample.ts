import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { nodeArchiveCrypto } from '../../../../src/archive/crypto/node-crypto.ts';
import { sealToBytes } from '../../../../src/archive/seal/seal.ts';
import { bytesSource } from '../../../../src/archive/source.ts';
import type { ArchiveDraft, SealOptions } from '../../../../src/archive/types.ts';
import { readEntry } from '../../../../src/archive/zip/content.ts';
import { openContainer } from '../../../../src/archive/zip/reader.ts';
import { toHex } from '../../../../src/lib/hex.ts';
import { inProcess, type Ran } from '../../../support/cli.ts';
import { alice, bob, carol, mallory } from '../../../support/keys.ts';
import { type RawEntry, rawZip } from '../../../support/raw-zip.ts';
import { sealing } from '../../../support/sealing.ts';

const KEYS = { alice, bob, carol, mallory };

export const DRAFT: ArchiveDraft = {
  program: '# Trip\n\nTwo days by the sea.\n',
  agents: '# Agents\n\nBe kind.\n',
  skills: [{ id: 'pack', tier: 'signed', metadata: { id: 'pack' }, instructions: '# Pack\n' }],
  payload: [
    { path: 'payload/list.txt', content: new TextEncoder().encode('towel\n') },
    { path: 'payload/maps/coast.txt', content: new TextEncoder().encode('cliffs and coves\n') },
  ],
  participants: [
    { actor_id: 'human:alice', role: 'originator', label: 'Alice' },
    { actor_id: 'ai:gemma', role: 'assistant' },
  ],
  originatorLabel: 'Alice',
  events: [
    {
      actor: 'human:alice',
      kind: 'decision',
      action: 'created',
      target: 'program.md',
      payload: { summary: 'A trip is planned.' },
    },
    { actor: 'ai:gemma', kind: 'observation', action: 'reviewed', target: 'payload/list.txt' },
    { actor: 'ai:gemma', kind: 'observation', action: 'reviewed', target: 'payload/maps/coast.txt' },
  ],
};

export async function sealed(
  draft: Partial<ArchiveDraft> = {},
  options: Partial<SealOptions> = {},
): Promise<Uint8Array> {
  return (await sealToBytes({ crypto: nodeArchiveCrypto }, { ...DRAFT, ...draft }, sealing(options))).bytes;
}

/** A folder for one test, with the key files of everybody in it and a data directory of its own. */
export class Bench {
  #folder = '';

  readonly at = (name: string): string => join(this.#folder, name);

  readonly write = (name: string, content: string | Uint8Array): string => {
    mkdirSync(dirname(this.at(name)), { recursive: true });
    writeFileSync(this.at(name), content);
    return this.at(name);
  };

  readonly run = (...args: string[]): Promise<Ran> =>
    inProcess(args, { env: { CAPSULE_DATA: this.at('data') } });

  /** The one document on standard output. */
  readonly json = async (...args: string[]): Promise<Record<string, unknown>> =>
    JSON.parse((await this.run(...args, '--json')).stdout) as Record<string, unknown>;

  open(): void {
    this.#folder = mkdtempSync(join(tmpdir(), 'capsule-archive-'));
    for (const [name, { seed }] of Object.entries(KEYS)) this.write(`${name}.hex`, `${toHex(seed)}\n`);
  }

  close(): void {
    rmSync(this.#folder, { recursive: true });
  }
}

/** For a suite: a bench that is there during each test. */
export function bench(): Bench {
  const made = new Bench();
  beforeEach(() => made.open());
  afterEach(() => made.close());
  return made;
}

/** The same files in another container. */
export async function repacked(
  bytes: Uint8Array,
  change: (entries: RawEntry[]) => RawEntry[],
): Promise<Uint8Array> {
  const components = { crypto: nodeArchiveCrypto };
  const container = await openContainer(components, bytesSource(bytes));
  const entries: RawEntry[] = [];
  for (const entry of container.entries.values())
    entries.push({ name: entry.path, content: await readEntry(components, container, entry) });
  return rawZip(change(entries));
}

/** The bytes with one bit of the first occurrence of `text` flipped. */
export function flipped(bytes: Uint8Array, text: string): Uint8Array {
  const copy = Buffer.from(bytes);
  const at = copy.indexOf(text);
  if (at < 0) throw new Error(`There is no ${JSON.stringify(text)} to flip.`);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}
