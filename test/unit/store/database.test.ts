import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ClassicLevel } from 'classic-level';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase, STORE_VERSION } from '../../../src/store/database.ts';
import { keyspace } from '../../../src/store/keyspaces.ts';
import { silentLog } from '../../support/database.ts';

const left = keyspace<number>('capabilityStorage');
const right = keyspace<number>('permissions');
const meta = keyspace<unknown>('meta');

describe('openDatabase', () => {
  let parent: string;
  let directory: string;
  const children: ChildProcess[] = [];
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'capsule-open-'));
    directory = join(parent, 'deep', 'data');
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await rm(parent, { recursive: true, force: true });
  });

  const open = () => openDatabase({ directory, log: silentLog });

  /** Another process that has the directory open and commits; resolves after its `count`-th durable commit. */
  async function holder(count: number): Promise<{ child: ChildProcess; last: number }> {
    const script = fileURLToPath(new URL('holder.ts', import.meta.url));
    const child = spawn(process.execPath, [script, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    let last = -1;
    for await (const line of createInterface({ input: child.stdout })) {
      last = Number(line);
      if (last >= count) break;
    }
    return { child, last };
  }

  it('makes the directory for its owner only', async () => {
    await (await open()).close();
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
  });

  it.runIf(existsSync('/proc/self'))(
    'refuses a directory that nobody can make, however deep, and does not go on trying',
    async () => {
      directory = '/proc/capsule-mesh/deep/data';
      await expect(open()).rejects.toMatchObject({ code: 'data_dir_unwritable' });
    },
  );

  it('finds everything again that was committed before it closed', async () => {
    const db = await open();
    const tx = db.transaction();
    tx.put(left, 'a', 1);
    void tx.commit();
    await db.close();
    const again = await open();
    expect(again.get(left, 'a')).toBe(1);
    await again.close();
  });

  it('refuses a directory that another process has open, and names it', async () => {
    const { child } = await holder(0);
    await expect(open()).rejects.toMatchObject({
      code: 'data_dir_locked',
      message: `Another node already runs on the data directory ${directory}.`,
    });
    child.kill('SIGKILL');
    await once(child, 'exit');
    await (await open()).close();
  });

  it('refuses a directory that this process has open', async () => {
    const db = await open();
    await expect(open()).rejects.toMatchObject({ code: 'data_dir_locked' });
    await db.close();
  });

  it('loses no durable commit and keeps no half of one when the process is killed', async () => {
    const { child, last } = await holder(30);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const db = await open();
    for (let count = 0; count <= last; count++) expect(db.get(left, String(count))).toBe(count);
    let pairs = 0;
    for await (const [key, value] of db.scan(left, {})) {
      pairs++;
      expect(db.get(right, key)).toBe(value);
    }
    for await (const _ of db.scan(right, {})) pairs--;
    expect(pairs).toBe(0);
    await db.close();
  });

  it.each(['cut', 'emptied', 'garbled'])(
    'finds every commit again where a power loss left the log of LevelDB %s',
    async (how) => {
      // What was synced below the journal stands in tables when the next life begins.
      await (await open()).close();
      const { child, last } = await holder(30);
      child.kill('SIGKILL');
      await once(child, 'exit');
      const names = (await readdir(join(directory, 'store'))).filter((name) => name.endsWith('.log'));
      expect(names).not.toEqual([]);
      for (const name of names) {
        const log = join(directory, 'store', name);
        const bytes = await readFile(log);
        const half = Math.floor(bytes.length / 2);
        if (how === 'garbled') await writeFile(log, bytes.fill(0xa5, half));
        else await writeFile(log, bytes.subarray(0, how === 'cut' ? half : 0));
      }
      // Twice: a start that replays may be cut short as well.
      for (let life = 0; life < 2; life++) {
        const db = await open();
        for (let count = 0; count <= last; count++) {
          expect([db.get(left, String(count)), db.get(right, String(count))]).toEqual([count, count]);
        }
        await db.close();
      }
    },
  );

  it('refuses a store whose journal is gone, and lets go of it', async () => {
    await (await open()).close();
    await rm(join(directory, 'store', 'journal'), { recursive: true });
    await expect(open()).rejects.toMatchObject({ code: 'storage_failed' });
    await expect(open()).rejects.toMatchObject({ code: 'storage_failed' });
  });

  it.each(['a file', 'a file above'])('refuses %s in place of the directory', async (where) => {
    const file = join(parent, 'file');
    await writeFile(file, '');
    directory = where === 'a file' ? file : join(file, 'data');
    await expect(open()).rejects.toMatchObject({
      code: 'data_dir_unwritable',
      message: `The data directory ${directory} cannot be created or written.`,
    });
  });

  it('refuses where the database itself cannot be made', async () => {
    await (await open()).close();
    await rm(join(directory, 'store'), { recursive: true });
    await writeFile(join(directory, 'store'), '');
    await expect(open()).rejects.toMatchObject({ code: 'data_dir_unwritable' });
  });

  it.each([
    { version: STORE_VERSION + 1, expected: 'store_too_new' },
    { version: STORE_VERSION - 1, expected: 'store_too_old' },
    { version: 'unknown', expected: 'storage_failed' },
  ])('refuses a store of version $version, and lets go of it', async ({ version, expected }) => {
    const db = await open();
    const tx = db.transaction();
    tx.put(meta, 'store-version', version);
    await tx.commit();
    await db.close();
    await expect(open()).rejects.toMatchObject({ code: expected });
    await expect(open()).rejects.toMatchObject({ code: expected });
  });

  it.each(['garbled', 'gone'])('refuses a store of which a file is %s', async (damage) => {
    await (await open()).close();
    const files = await readdir(join(directory, 'store'));
    const manifest = join(directory, 'store', files.find((name) => name.startsWith('MANIFEST')) ?? '');
    await (damage === 'gone' ? rm(manifest) : writeFile(manifest, 'garbage'));
    await expect(open()).rejects.toMatchObject({ code: 'storage_failed' });
  });

  it('reports a damaged row', async () => {
    await (await open()).close();
    const level = new ClassicLevel<string, string>(join(directory, 'store'));
    await level.put('24a', '{"cut');
    await level.close();
    const db = await open();
    expect(left.id).toBe(0x24);
    expect(() => db.get(left, 'a')).toThrow(expect.objectContaining({ code: 'storage_failed' }));
    await db.close();
  });
});
