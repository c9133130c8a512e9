import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Write } from '../../../src/store/disk.ts';
import { journalName } from '../../../src/store/journal/file.ts';
import { Journal } from '../../../src/store/journal/journal.ts';
import { decodeRows, encodeRecord, readRecords } from '../../../src/store/journal/record.ts';

const SALT = 0x1234abcd;
const RECORD_HEADER = 18;

const put = (key: string, value: string): Write => ({ type: 'put', key, value });
const groups: Write[][] = [
  [put('a', '1'), put('b', '"é😀"')],
  [{ type: 'del', key: 'a' }],
  [put('c', '{"x":[1,2,3]}'), { type: 'del', key: 'b' }, put('d', 'x'.repeat(300))],
];
const rows = fc.array(
  fc.oneof(
    fc.record({
      type: fc.constant('put' as const),
      key: fc.string({ unit: 'binary', minLength: 1 }),
      value: fc.string({ unit: 'binary' }),
    }),
    fc.record({ type: fc.constant('del' as const), key: fc.string({ unit: 'binary', minLength: 1 }) }),
  ),
  { minLength: 1 },
);

describe('a record of the journal', () => {
  it('gives back the rows of every group, in order', () => {
    const property = fc.property(fc.array(rows), fc.integer({ min: 1, max: 0xffff_ffff }), (all, salt) => {
      const file = Buffer.concat([
        ...all.map((writes, at) => encodeRecord(writes, salt, 7 + at)),
        Buffer.alloc(64),
      ]);
      const { found, read } = readAll(file, salt, 7);
      expect(found).toEqual(all);
      expect(read).toEqual({ end: file.length - 64, next: 7 + all.length, damaged: false });
    });
    fc.assert(property);
  });

  it('is put together in the space that is there, or in more', () => {
    const space = Buffer.alloc(400);
    for (const length of [10, 100, 200, 1_000]) {
      const writes = [put('key', 'é'.repeat(length))];
      const record = encodeRecord(writes, SALT, 1, space);
      expect(record).toEqual(encodeRecord(writes, SALT, 1));
      expect(record.buffer === space.buffer).toBe(length <= 100);
    }
  });

  it.each(['nothing', 'zeros', 'an older content'])(
    'that was cut at any byte, with %s behind, leaves all before it',
    (behind) => {
      const records = groups.map((writes, at) => encodeRecord(writes, SALT, 1 + at));
      const before = Buffer.concat(records.slice(0, -1));
      const last = records.at(-1) ?? Buffer.alloc(0);
      const rest = { nothing: 0, zeros: 4_096, 'an older content': 4_096 }[behind] ?? 0;
      for (let cut = 0; cut < last.length; cut++) {
        const fill = Buffer.alloc(rest, behind === 'zeros' ? 0 : 0xa5);
        const { found, read } = readAll(Buffer.concat([before, last.subarray(0, cut), fill]), SALT, 1);
        expect(found).toEqual(groups.slice(0, -1));
        expect(read).toMatchObject({ end: before.length, next: groups.length });
        expect(read.damaged).toBe(false);
      }
    },
  );

  it('that lost any of its parts to a power cut leaves all before it', () => {
    const first = encodeRecord([put('a', '1')], SALT, 1);
    const large = encodeRecord([put('b', 'x'.repeat(5_000))], SALT, 2);
    for (let sector = 0; sector * 512 < large.length; sector++) {
      const torn = Buffer.from(large);
      torn.fill(0, sector * 512, Math.min(large.length, (sector + 1) * 512));
      const { found, read } = readAll(Buffer.concat([first, torn, Buffer.alloc(512)]), SALT, 1);
      expect(found).toEqual([[put('a', '1')]]);
      expect(read.damaged).toBe(false);
    }
  });

  it('that was changed at any byte is told from one that was cut, where others follow', () => {
    const records = groups.map((writes, at) => encodeRecord(writes, SALT, 1 + at));
    const file = Buffer.concat([...records, Buffer.alloc(64)]);
    const second = records[0]?.length ?? 0;
    for (let at = second; at < second + (records[1]?.length ?? 0); at++) {
      const changed = Buffer.from(file);
      changed.writeUInt8(changed.readUInt8(at) ^ 0x40, at);
      expect(readAll(changed, SALT, 1).read.damaged).toBe(true);
    }
  });

  it('is not found in what a peer wrote, who does not know the salt', () => {
    const forged = encodeRecord([put('forged', '1')], SALT + 1, 2);
    const first = encodeRecord([put('a', '1')], SALT, 1);
    const file = Buffer.concat([first, Buffer.from('cut'), forged, Buffer.alloc(64)]);
    expect(readAll(file, SALT, 1)).toMatchObject({ found: [[put('a', '1')]], read: { damaged: false } });
  });
});

function readAll(file: Buffer, salt: number, sequence: number) {
  const found: Write[][] = [];
  const records = readRecords(file, { from: 0, salt, sequence });
  let step = records.next();
  for (; !step.done; step = records.next()) found.push([...decodeRows(step.value)]);
  return { found, read: step.value };
}

describe('Journal', () => {
  let directory: string;
  beforeEach(async () => {
    directory = join(await mkdtemp(join(tmpdir(), 'capsule-journal-')), 'journal');
  });
  afterEach(() => rm(join(directory, '..'), { recursive: true, force: true }));

  async function open(from: number | null) {
    const replayed: Record<string, Write> = {};
    const replay = async (writes: Write[]) => void Object.assign(replayed, lastOf([writes]));
    const journal = await Journal.open({ directory, from, replay, salt: () => SALT });
    return { journal, replayed };
  }
  /** A life: opens, appends, rotates where there is a `null`, and ends. */
  async function life(from: number | null, steps: (Write[] | null)[]): Promise<void> {
    const { journal } = await open(from);
    for (const step of steps) await (step === null ? journal.rotate() : journal.append(step));
    await journal.close();
  }
  const file = (number: number) => join(directory, journalName(number));
  const refused = expect.objectContaining({ code: 'storage_failed' });

  it('is for its owner only', async () => {
    await life(null, groups);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect((await stat(file(1))).mode & 0o777).toBe(0o600);
  });

  it('replays several lives over several files, each time the same', async () => {
    await life(null, [groups[0] ?? [], null, groups[1] ?? []]);
    await life(1, [groups[2] ?? [], null]);
    for (let turn = 0; turn < 2; turn++) {
      const { journal, replayed } = await open(1);
      expect(replayed).toEqual(lastOf(groups));
      await journal.close();
    }
  });

  it('goes on behind a record that was cut, at whichever byte', async () => {
    await life(null, groups);
    const whole = await readFile(file(1));
    const sizes = groups.map((writes) => encodeRecord(writes, SALT, 1).length);
    const last = 22 + (sizes[0] ?? 0) + (sizes[1] ?? 0);
    for (let cut = last; cut < last + (sizes[2] ?? 0); cut += 31) {
      await writeFile(file(1), Buffer.concat([whole.subarray(0, cut), Buffer.alloc(256)]));
      await life(1, [[put('new', '1')], null, [put('newer', '1')]]);
      const { journal, replayed } = await open(1);
      expect(replayed).toEqual(lastOf([...groups.slice(0, 2), [put('new', '1')], [put('newer', '1')]]));
      await journal.close();
      await rm(file(2));
    }
  });

  it('removes what does not count any more', async () => {
    await life(null, [groups[0] ?? [], null, groups[1] ?? [], null]);
    const { journal, replayed } = await open(2);
    expect(replayed).toEqual(lastOf([groups[1] ?? []]));
    expect(await readdir(directory)).toEqual([journalName(2), journalName(3)]);
    await journal.removeBefore(3);
    expect((await readdir(directory)).sort()).toEqual([journalName(3), 'spare']);
    expect(journal.isEmpty).toBe(true);
    await journal.shrink();
    expect(await readdir(directory)).toEqual([journalName(3)]);
    await journal.close();
  });

  it('uses a file again, and takes nothing of what it held before for a record', async () => {
    let salt = 1;
    const begin = async (from: number | null) => {
      const replayed: Record<string, Write> = {};
      const replay = async (writes: Write[]) => void Object.assign(replayed, lastOf([writes]));
      return { journal: await Journal.open({ directory, from, replay, salt: () => salt++ }), replayed };
    };
    const { journal } = await begin(null);
    for (let turn = 0; turn < 3; turn++) {
      for (const writes of groups) await journal.append(writes);
      const next = await journal.rotate();
      await journal.removeBefore(next);
    }
    await journal.append([put('new', '1')]);
    await journal.close();
    // Both of its files came to life again, with their space and longer contents.
    expect((await stat(file(4))).size).toBe((await stat(join(directory, 'spare'))).size);
    const again = await begin(4);
    expect(again.replayed).toEqual(lastOf([[put('new', '1')]]));
    await again.journal.append([put('newer', '1')]);
    await again.journal.close();
    const last = await begin(4);
    expect(last.replayed).toEqual(lastOf([[put('new', '1'), put('newer', '1')]]));
    await last.journal.close();
  });

  it('ignores a file that was being begun, and a first one that its store does not know of', async () => {
    await life(null, []);
    await writeFile(join(directory, 'spare'), 'half a header');
    await life(null, [null, groups[0] ?? []]);
    const { journal, replayed } = await open(1);
    expect(replayed).toEqual(lastOf([groups[0] ?? []]));
    await journal.close();
  });

  it.each<[string, () => Promise<void>]>([
    ['whose oldest file is missing', () => rm(file(1))],
    ['that lacks a file', () => rm(file(2))],
    ['of which nothing is left', () => rm(directory, { recursive: true })],
    ['whose header was changed', async () => writeFile(file(2), flip(await readFile(file(2)), 5))],
    [
      'that lost the end of an older file',
      async () => writeFile(file(1), (await readFile(file(1))).subarray(0, 30)),
    ],
    [
      'that lost records of an older file',
      async () => writeFile(file(2), (await readFile(file(2))).subarray(0, 22)),
    ],
    [
      'of which a record in the middle was changed',
      async () => writeFile(file(3), flip(await readFile(file(3)), 22 + RECORD_HEADER + 3)),
    ],
  ])('is refused, and nothing of it lost by that, %s', async (_what, damage) => {
    await life(null, [groups[0] ?? [], null, groups[1] ?? [], null, groups[2] ?? [], groups[0] ?? []]);
    await damage();
    await expect(open(1)).rejects.toThrow(refused);
    await expect(open(1)).rejects.toThrow(refused);
  });

  it('is refused where it holds something and its store does not know of it', async () => {
    await life(null, groups);
    await expect(open(null)).rejects.toThrow(refused);
  });
});

/** What is left of each row. */
function lastOf(all: Write[][]): Record<string, Write> {
  return Object.fromEntries(all.flat().map((write) => [write.key, write]));
}

function flip(bytes: Buffer, at: number): Buffer {
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  return bytes;
}
