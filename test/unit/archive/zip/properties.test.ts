import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LayoutError } from '../../../../src/archive/layout-error.ts';
import { digestEntry, readEntry, streamEntry } from '../../../../src/archive/zip/content.ts';
import { nameProblem } from '../../../../src/archive/zip/names.ts';
import { writeZip, zipSize } from '../../../../src/archive/zip/writer.ts';
import { extraField, rawZip } from '../../../support/raw-zip.ts';
import { components, open } from './opening.ts';

const { crypto } = components;
const segment = fc.oneof(
  fc.string({ unit: fc.constantFrom(...'abcXYZ019._- '), minLength: 1, maxLength: 12 }),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }),
);
const path = fc
  .array(segment, { minLength: 1, maxLength: 4 })
  .map((segments) => segments.join('/'))
  .filter((name) => !name.endsWith('/') && nameProblem(name, Buffer.byteLength(name)) === null);
const fileSet = fc.uniqueArray(fc.record({ path, content: fc.uint8Array({ maxLength: 300 }) }), {
  selector: (each) => each.path,
  maxLength: 12,
});

/** Headers with everything in them that the reader looks at. */
const SAMPLES = [
  rawZip([
    { name: 'a.txt', content: 'alpha' },
    { name: 'b/c.txt', content: 'gamma '.repeat(9) },
  ]),
  rawZip(
    [
      { name: 'f/', mode: 0o040755 },
      { name: 'é', flags: 0x0800, content: 'x'.repeat(400), deflate: true, descriptor: true },
      {
        name: 'n',
        content: rawZip([{ name: 'inner', content: 'i' }]),
        extra: extraField(0x5455, new Uint8Array(5)),
      },
      { name: 'z', content: 'zeta', deflate: true, before: new Uint8Array(4), comment: 'last' },
    ],
    { comment: 'made by hand' },
  ),
];
/** Values that sizes, counts and offsets go wrong at. */
const value = fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x50, 0x4b, 0x7f, 0x80, 0xff));
const mutation = fc.record({ place: fc.nat(1_000), bytes: fc.array(value, { minLength: 1, maxLength: 5 }) });

/** Opens and reads all of it; nothing but a LayoutError may come of it, and never more bytes than are stated. */
async function readAllOf(archive: Uint8Array): Promise<void> {
  try {
    const container = await open(archive, { maxTotalBytes: 1_000_000 });
    for (const entry of container.entries.values()) {
      expect(nameProblem(entry.path, Buffer.byteLength(entry.path))).toBeNull();
      let bytes = 0;
      const count = (chunk: Uint8Array): void => {
        bytes += chunk.length;
      };
      await refusable(streamEntry(components, container, entry, count));
      expect(bytes).toBeLessThanOrEqual(entry.size);
      await refusable(readEntry(components, container, entry));
      await refusable(digestEntry(components, container, entry));
    }
  } catch (error) {
    if (!(error instanceof LayoutError)) throw error;
  }
}

async function refusable(reading: Promise<unknown>): Promise<void> {
  await reading.catch((error: unknown) => {
    if (!(error instanceof LayoutError)) throw error;
  });
}

describe('for any', () => {
  test('files: what is written is read, as long as announced and without a warning', async () => {
    await fc.assert(
      fc.asyncProperty(fileSet, async (set) => {
        const files = set.map(({ path: name, content }) => ({
          path: name,
          content,
          size: content.length,
          crc32: crypto.crc32(content),
        }));
        const chunks: Uint8Array[] = [];
        await writeZip(components, files, (chunk) => {
          chunks.push(chunk);
        });
        const archive = new Uint8Array(Buffer.concat(chunks));
        expect(archive.length).toBe(zipSize(files));
        const container = await open(archive);
        const harmful = container.warnings.filter(
          (warning) => !/^(?:a name that Windows|names that collide)/.test(warning),
        );
        expect(harmful).toEqual([]);
        expect([...container.entries.keys()]).toEqual(set.map((each) => each.path).sort());
        for (const { path: name, content } of set) {
          const entry = container.entries.get(name);
          expect(entry && (await readEntry(components, container, entry))).toEqual(content);
        }
      }),
      { numRuns: 100 },
    );
  });

  test.each([0, 1])('change of bytes in sample %i: it is read or refused', async (place) => {
    const sample = SAMPLES[place] ?? new Uint8Array();
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 3 }), async (mutations) => {
        const archive = sample.slice();
        for (const { place: at, bytes } of mutations) {
          for (const [index, byte] of bytes.entries()) archive[(at + index) % archive.length] = byte;
        }
        await readAllOf(archive);
      }),
      { numRuns: 1_000 },
    );
  });

  test.each([0, 1])('one byte of sample %i, at every place: it is read or refused', async (place) => {
    const sample = SAMPLES[place] ?? new Uint8Array();
    for (let at = 0; at < sample.length; at += 1) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const archive = sample.slice();
        archive[at] = (archive[at] ?? 0) ^ flip;
        await readAllOf(archive);
      }
    }
  });

  test('cut, doubled or joined pieces: they are read or refused', async () => {
    const [first = new Uint8Array(), second = new Uint8Array()] = SAMPLES;
    const piece = fc
      .record({ of: fc.constantFrom(first, second), from: fc.nat(900), length: fc.nat(900) })
      .map(({ of, from, length }) => of.subarray(from % of.length, (from % of.length) + length));
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 4 }), async (pieces) => {
        await readAllOf(new Uint8Array(Buffer.concat(pieces)));
        await readAllOf(new Uint8Array(Buffer.concat([...pieces, first])));
      }),
      { numRuns: 500 },
    );
  });
});
