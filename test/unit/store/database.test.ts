import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ClassicLevel } from 'classic-level';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
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

  async function writeRow(key: string, value: number): Promise<void> {
    const db = await open();
    const tx = db.transaction();
    tx.put(left, key, value);
    await tx.commit();
    await db.close();
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

  it('refuses tables without CURRENT, says what to do, and leaves them alone, however often it is tried', async () => {
    await writeRow('a', 1);
    // A second start moves the log into a table.
    await (await open()).close();
    const store = join(directory, 'store');
    await rm(join(store, 'CURRENT'));
    const before = await contentsOf(store);
    for (let time = 0; time < 2; time++) {
      const error = await open().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toMatchObject({ code: 'storage_failed' });
      expect(String(error)).toMatch(/CURRENT.*missing.*Restore.*backup/);
      expect(await contentsOf(store)).toEqual(before);
    }
  });

  it('begins where a first start died before CURRENT', async () => {
    await mkdir(join(directory, 'store'), { recursive: true });
    await writeFile(join(directory, 'store', 'MANIFEST-000001'), 'half');
    await (await open()).close();
  });

  it.each([
    ['after a clean stop', false],
    ['after a kill', true],
  ])('never goes on without what was committed, whichever file is gone, %s', async (_when, killed) => {
    await writeRow('a', 1);
    await writeRow('a', 2);
    if (killed) {
      const { child } = await holder(5);
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    const whole = join(parent, 'whole');
    await cp(directory, whole, { recursive: true });
    const files = Object.keys(await contentsOf(join(whole, 'store'))).filter(
      (name) => !/LOCK|LOG/.test(name),
    );
    expect(files.length).toBeGreaterThan(3);
    for (const name of files) {
      await rm(directory, { recursive: true });
      await cp(whole, directory, { recursive: true });
      await rm(join(directory, 'store', name));
      const db = await open().catch((error: unknown) => {
        expect.soft(error, name).toMatchObject({ code: 'storage_failed' });
      });
      if (db) expect.soft(db.get(left, 'a'), name).toBe(2);
      await db?.close();
    }
  });

  it('calls a full disk full', async () => {
    const full = Object.assign(new Error('IO error: write: No space left on device'), {
      code: 'LEVEL_IO_ERROR',
    });
    const opening = vi
      .spyOn(ClassicLevel.prototype, 'open')
      .mockRejectedValue(new Error('not open', { cause: full }));
    try {
      await expect(open()).rejects.toMatchObject({
        code: 'storage_failed',
        message: expect.stringMatching(/^No room is left on the disk of .*Make room/),
        detail: { reason: 'disk_full', directory },
      });
    } finally {
      opening.mockRestore();
    }
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

/** By path below the directory, without what LevelDB locks and logs with. */
async function contentsOf(directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const each of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(each.parentPath, each.name);
    if (each.isFile()) found[relative(directory, path)] = (await readFile(path)).toString('base64');
  }
  return found;
}
