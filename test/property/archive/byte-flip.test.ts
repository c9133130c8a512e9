import { describe, expect, it } from 'vitest';
import { nodeArchiveCrypto as crypto } from '../../../src/archive/crypto/node-crypto.ts';
import { sealToBytes } from '../../../src/archive/seal/seal.ts';
import type { ArchiveDraft, SealOptions } from '../../../src/archive/types.ts';
import { verifyArchive } from '../../../src/archive/verify.ts';
import { toHex } from '../../../src/lib/hex.ts';
import { alice, bob, type TestKey } from '../../support/keys.ts';
import { seededRandom } from '../../support/random.ts';
import { withFile, zipRegions } from '../../support/zip-regions.ts';

/*
 * Any flipped byte of a sealed archive is either detected or lies outside of what is committed. Which bytes those are is
 * listed here and in protocols/archive/v1/README.md: nothing that a file is, only what a ZIP says besides.
 */
const UNCOMMITTED = [
  'central header: date',
  'central header: external attributes',
  'central header: flags',
  'central header: internal attributes',
  'central header: time',
  'central header: version made by',
  'central header: version needed',
  'local header: date',
  'local header: flags',
  'local header: time',
  'local header: version needed',
];

const SEALED_AT = '2026-05-21T12:00:00Z';
const signer = ({ identity, signer: { sign } }: TestKey, role = 'originator') => ({
  role,
  publicKey: identity,
  sign,
});

const DRAFT: ArchiveDraft = {
  program: '# Offers\n\nWhich of two.\n',
  participants: [{ actor_id: 'human:alice', role: 'originator', label: 'Alice' }],
  events: [
    {
      actor: 'human:alice',
      kind: 'decision',
      action: 'asked',
      target: 'program.md',
      payload: { amount: 42 },
    },
  ],
};
const RICH: ArchiveDraft = {
  ...DRAFT,
  agents: '# Agents\n',
  skills: [
    { id: 'compare', tier: 'signed', metadata: { name: 'Compare' }, instructions: 'Compare prices.\n' },
    { id: 'haggle', tier: 'unsigned', metadata: { name: 'Haggle' } },
  ],
  payload: [{ path: 'offers.json', content: new TextEncoder().encode('{"first":44,"second":42}\n') }],
};

const recipientSecret = new Uint8Array(32).fill(0x11);
const recipient = toHex(crypto.agreementPublicKey(recipientSecret));

async function seal(draft: ArchiveDraft, options: Partial<SealOptions> = {}): Promise<Uint8Array> {
  const { bytes } = await sealToBytes({ crypto }, draft, {
    signers: [signer(alice)],
    sealedAt: SEALED_AT,
    ...options,
  });
  return bytes;
}

const verifies = async (bytes: Uint8Array): Promise<boolean> => (await verifyArchive({ crypto }, bytes)).ok;

/** Regions of the bytes at `places` where flipping by one of `masks` is not detected. */
async function undetected(
  bytes: Uint8Array,
  places: Iterable<number>,
  masks: (place: number) => number[],
): Promise<Set<string>> {
  expect(await verifies(bytes)).toBe(true);
  const regions = zipRegions(bytes);
  const found = new Set<string>();
  const copy = Uint8Array.from(bytes);
  for (const place of places) {
    const before = bytes[place] ?? 0;
    for (const mask of masks(place)) {
      copy[place] = before ^ mask;
      if (await verifies(copy)) found.add(nameOf(regions[place]));
    }
    copy[place] = before;
  }
  return found;
}

const nameOf = (region: { name: string; path?: string } | undefined): string =>
  region === undefined
    ? 'nowhere'
    : region.path === undefined
      ? region.name
      : `${region.name} of ${region.path}`;

const anyMask = (random: () => number): number => 1 + Math.floor(random() * 255);
const everyPlace = (bytes: Uint8Array): number[] => [...bytes.keys()];

describe('a flipped byte of a sealed archive', () => {
  it('is detected wherever anything is committed, at every place of a small one', async () => {
    const bytes = await seal(DRAFT);
    const found = await undetected(bytes, everyPlace(bytes), () => [0x01, 0x80]);
    expect([...found].sort()).toEqual(UNCOMMITTED);
  });

  it('is detected by whatever bit, in every field of a header that is not on the list', async () => {
    const bytes = await seal(DRAFT);
    const regions = zipRegions(bytes);
    const seen = new Set<string>();
    // One header of each kind: the others are read by the same code.
    const headers = everyPlace(bytes).filter((place) => {
      const { name, path } = regions[place] ?? { name: '' };
      const first = path === undefined && !seen.has(name);
      if (first && regions[place + 1]?.name !== name) seen.add(name);
      return first;
    });
    const random = seededRandom(1);
    const masks = [
      ...Array.from({ length: 8 }, (_, bit) => 1 << bit),
      ...Array.from({ length: 16 }, () => anyMask(random)),
    ];
    const found = await undetected(bytes, headers, () => masks);
    expect([...found].sort()).toEqual(UNCOMMITTED);
  });

  const samples = [
    ['of two signers', () => seal(DRAFT, { signers: [signer(alice), signer(bob, 'reviewer')] })],
    ['with skills and payload', () => seal(RICH)],
    ['that is encrypted', () => seal(RICH, { recipients: [recipient] })],
  ] as const;
  it.each(samples)('is detected in one %s', async (_, make) => {
    const bytes = await make();
    const random = seededRandom(2);
    const places = everyPlace(bytes).filter(() => random() < 0.25);
    const found = await undetected(bytes, places, () => [anyMask(random)]);
    expect([...found].filter((name) => !UNCOMMITTED.includes(name))).toEqual([]);
  });
});

/** Swaps blank, tab, line feed and carriage return for each other. */
const BLANK_MASKS = [0x2a, 0x29, 0x2d, 0x03, 0x07, 0x04];

describe('a flipped byte of a file, its checksum made right again', () => {
  it.each([
    ['plain', {}],
    ['encrypted', { recipients: [recipient] }],
  ])(
    'is detected but for blanks between the members of a document, in one that is %s',
    async (_, options) => {
      const bytes = await seal(RICH, options);
      const random = seededRandom(3);
      const zipped = zipRegions(bytes);
      const places = everyPlace(bytes).filter((place) => zipped[place]?.path !== undefined);
      const start = new Map<string, number>();
      for (const [place, { path }] of zipped.entries())
        if (path !== undefined && !start.has(path)) start.set(path, place);
      const found = new Set<string>();
      for (const place of places) {
        const path = zipped[place]?.path ?? '';
        const blank = [0x20, 0x0a].includes(bytes[place] ?? 0);
        if (!blank && random() > 0.05) continue;
        for (const mask of blank ? BLANK_MASKS : [0x01, anyMask(random)]) {
          const forged = withFile(bytes, path, (content) => {
            const at = place - (start.get(path) ?? 0);
            content[at] = (content[at] ?? 0) ^ mask;
          });
          if (await verifies(forged)) found.add(`${blank ? 'blank' : 'byte'} of ${path}`);
        }
      }
      expect([...found].sort()).toEqual(['blank of provenance/envelope.json']);
    },
  );
});
