import { cp, mkdtemp, readdir, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LevelRows } from '../../../src/store/level-rows.ts';

describe('LevelRows', () => {
  let parent: string;
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'capsule-rows-'));
  });
  afterEach(() => rm(parent, { recursive: true, force: true }));

  async function open(name: string): Promise<LevelRows> {
    const level = new ClassicLevel<string, string>(join(parent, name));
    await level.open();
    return new LevelRows(level);
  }

  it('has in tables what was settled, so that no log is needed for it', async () => {
    const rows = await open('store');
    for (let turn = 0; turn < 3; turn++) {
      await rows.apply([
        { type: 'put', key: `24 ${turn}`, value: 'kept' },
        { type: 'del', key: `24 ${turn - 1}` },
      ]);
    }
    await rows.settle([{ type: 'put', key: '01mark', value: '1' }]);
    expect(rows.get('01mark')).toBe('1');
    await cp(join(parent, 'store'), join(parent, 'copy'), { recursive: true });
    await rows.close();
    const names = await readdir(join(parent, 'copy'));
    for (const name of names.filter((each) => each.endsWith('.log')))
      await truncate(join(parent, 'copy', name));
    const copy = await open('copy');
    expect([0, 1, 2].map((turn) => copy.get(`24 ${turn}`))).toEqual([undefined, undefined, 'kept']);
    await copy.close();
  });

  it('gives all pairs of a long range, also to whoever stops early', async () => {
    const rows = await open('store');
    const keys = Array.from({ length: 5_000 }, (_, at) => `24${String(at).padStart(4, '0')}`);
    await rows.apply(keys.map((key) => ({ type: 'put', key, value: '1' })));
    const found: string[] = [];
    for await (const pairs of rows.iterate({ gte: '24', lt: '25' })) found.push(...pairs.map(([key]) => key));
    expect(found).toEqual(keys);
    for await (const pairs of rows.iterate({ reverse: true, limit: 3 })) {
      expect(pairs.map(([key]) => key)).toEqual(keys.slice(-3).reverse());
      break;
    }
    await rows.close();
  });
});
