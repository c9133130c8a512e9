import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Write } from '../../../src/store/disk.ts';
import { Journal } from '../../../src/store/journal/journal.ts';
import { JOURNAL_KEY, JournaledDisk } from '../../../src/store/journaled-disk.ts';
import { ForgetfulRows } from '../../support/forgetful-rows.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

const FAULT_POINTS = ['journal.full', 'journal.rotated', 'journal.removed'];
const put = (key: string, value: string): Write => ({ type: 'put', key, value });

describe('JournaledDisk', () => {
  let parent: string;
  let clock: VirtualClock;
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'capsule-journaled-'));
    clock = new VirtualClock();
  });
  afterEach(() => rm(parent, { recursive: true, force: true }));

  interface Life {
    disk: JournaledDisk;
    journal: Journal;
  }
  /** Opens what an earlier life left; `dieAt` is a fault point from which on nothing happens any more. */
  async function begin(name: string, rows: ForgetfulRows, dieAt?: string, journalBytes = 200): Promise<Life> {
    let dead = false;
    const hit = (point: string) => {
      dead ||= point === dieAt;
      if (dead) throw new Error(`died at ${point}`);
    };
    const mark = rows.get(JOURNAL_KEY);
    const journal = await Journal.open({
      directory: join(parent, name),
      from: mark === undefined ? null : Number(mark),
      replay: (writes) => rows.apply(writes),
      salt: () => 42,
      faults: { hit },
    });
    if (mark === undefined) await rows.settle([put(JOURNAL_KEY, '1')]);
    return { journal, disk: new JournaledDisk({ journal, rows, clock }, { journalBytes }) };
  }
  async function contents(disk: JournaledDisk): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    for await (const pairs of disk.iterate({})) Object.assign(found, Object.fromEntries(pairs));
    delete found[JOURNAL_KEY];
    return found;
  }

  it('shows a write when it is promised, whether it went down or not', async () => {
    const rows = new ForgetfulRows();
    const { disk } = await begin('a', rows);
    await disk.write([put('a', '1'), put('b', '1')]);
    await disk.write([put('a', '2'), { type: 'del', key: 'b' }]);
    expect([disk.get('a'), disk.get('b'), rows.get('a')]).toEqual(['2', undefined, undefined]);
    await clock.advance(1_000);
    expect([disk.get('a'), rows.get('a'), rows.applied]).toEqual(['2', '2', 3]);
    await disk.write([put('c', '3')]);
    expect(await contents(disk)).toEqual({ a: '2', c: '3' });
    await disk.close();
  });

  it('gives down at once what is much', async () => {
    const rows = new ForgetfulRows();
    const { disk } = await begin('a', rows, undefined, 16_000_000);
    await disk.write(Array.from({ length: 8_192 }, (_, at) => put(`key ${at}`, '1')));
    await settle();
    expect(rows.get('key 8191')).toBe('1');
    await disk.write([put('large', 'x'.repeat(9_000_000))]);
    await settle();
    expect(rows.get('large')).toBeDefined();
    await disk.close();
  });

  it('goes on in a new file when one is full, and removes the old when its rows are safe', async () => {
    const rows = new ForgetfulRows();
    const { disk } = await begin('a', rows);
    for (let turn = 0; turn < 20; turn++) {
      await disk.write([put(`key ${turn}`, 'x'.repeat(100))]);
      await settle();
      expect((await readdir(join(parent, 'a'))).length).toBeLessThanOrEqual(3);
    }
    expect(Number(rows.get(JOURNAL_KEY))).toBeGreaterThan(5);
    await disk.close();
  });

  it('leaves nothing to replay when it closes, and does not write where nothing was written', async () => {
    const rows = new ForgetfulRows();
    const { disk } = await begin('a', rows);
    await disk.write([put('a', '1')]);
    await disk.close();
    const left = await readdir(join(parent, 'a'));
    expect(left).toHaveLength(1);
    const next = await rows.afterPowerLoss(() => false);
    const again = await begin('a', next);
    expect(next.applied).toBe(0);
    expect(again.disk.get('a')).toBe('1');
    await again.disk.close();
    expect(await readdir(join(parent, 'a'))).toEqual(left);
  });

  it.each(['apply', 'settle'])('promises nothing more when the rows below fail to %s', async (what) => {
    const rows = new ForgetfulRows();
    const { disk } = await begin('a', rows);
    await disk.write([put('a', 'x'.repeat(300))]);
    if (what === 'settle') await clock.advance(1_000);
    rows.failure = new Error('no space left on device');
    if (what === 'apply') await clock.advance(1_000);
    else await disk.write([put('b', '1')]);
    await settle();
    await expect(disk.write([put('c', '1')])).rejects.toMatchObject({ code: 'storage_failed' });
    expect(disk.get('a')).toHaveLength(300);
    await expect(disk.close()).rejects.toMatchObject({ code: 'storage_failed' });
    rows.failure = undefined;
    const again = await begin('a', await rows.afterPowerLoss(() => false));
    expect(Object.keys(await contents(again.disk))).toEqual(what === 'settle' ? ['a', 'b'] : ['a']);
    await again.disk.close();
  });

  it('writes nothing more to a journal that failed, of which nobody knows what it took', async () => {
    const rows = new ForgetfulRows();
    const { disk, journal } = await begin('a', rows);
    await disk.write([put('a', '1')]);
    await journal.close();
    await expect(disk.write([put('b', '1')])).rejects.toMatchObject({ code: 'storage_failed' });
    await expect(disk.write([put('c', '1')])).rejects.toMatchObject({ code: 'storage_failed' });
    const left = await readdir(join(parent, 'a'));
    await disk.close();
    expect(await readdir(join(parent, 'a'))).toEqual(left);
    const again = await begin('a', await rows.afterPowerLoss(() => false));
    expect(await contents(again.disk)).toEqual({ a: '1' });
    await again.disk.close();
  });

  it('keeps every promise, and no half of a group, over power losses at any moment', async () => {
    const write = fc.record({ key: fc.nat({ max: 5 }), length: fc.nat({ max: 120 }), deleted: fc.boolean() });
    const oneLife = fc.record({
      groups: fc.array(fc.array(write, { minLength: 1, maxLength: 4 }), { maxLength: 12 }),
      dieAt: fc.option(fc.constantFrom(...FAULT_POINTS), { nil: undefined }),
      pauses: fc.array(fc.boolean(), { maxLength: 12 }),
      kept: fc.array(fc.boolean(), { maxLength: 40 }),
      closes: fc.boolean(),
    });
    let number = 0;
    const property = fc.asyncProperty(fc.array(oneLife, { minLength: 1, maxLength: 4 }), async (lives) => {
      const name = `run ${number++}`;
      let rows = new ForgetfulRows();
      let written = 0;
      /** After each group: what a start may find. Only the last may be missing, if it was not promised. */
      let promised: Record<string, string> = {};
      for (const { groups, dieAt, pauses, kept, closes } of lives) {
        const { disk, journal } = await begin(name, rows, dieAt);
        expect(await contents(disk)).toEqual(promised);
        let alive = true;
        for (const [turn, group] of groups.entries()) {
          const next = { ...promised };
          const writes = group.map(({ key, length, deleted }): Write => {
            const full = `key ${key}`;
            const value = `${written++} ${'x'.repeat(length)}`;
            if (deleted) delete next[full];
            else next[full] = value;
            return deleted ? { type: 'del', key: full } : put(full, value);
          });
          alive = await disk.write(writes).then(
            () => true,
            () => false,
          );
          if (!alive) break;
          promised = next;
          if (pauses[turn]) await clock.advance(1_000);
        }
        if (alive && closes) await disk.close().catch(() => undefined);
        else await journal.close();
        await settle();
        rows = await rows.afterPowerLoss((batch) => kept[batch] ?? false);
      }
      const last = await begin(name, rows);
      expect(await contents(last.disk)).toEqual(promised);
      await last.disk.close();
    });
    await fc.assert(property, { numRuns: 25, endOnFailure: true });
  });
});
