import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type AtomicOptions, writeAtomically } from '../../../src/lib/atomic-file.ts';
import { reasonOf } from '../../../src/lib/errors.ts';

let folder: string;
const fault = (error: unknown) => new Error(`fault ${reasonOf(error)}`);
const write = (name: string, text: string, options: Partial<AtomicOptions> = {}) =>
  writeAtomically(join(folder, name), { replace: false, fault, ...options }, (sink) => sink(text));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'capsule-atomic-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('writes a file of the mode that was asked for, and replaces one only where it may', async () => {
  await write('a', 'one', { mode: 0o600, durable: true });
  expect(statSync(join(folder, 'a')).mode & 0o777).toBe(0o600);
  await expect(write('a', 'two')).rejects.toThrow('fault EEXIST');
  expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('one');
  await write('a', 'two', { replace: true });
  expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('two');
  expect(readdirSync(folder)).toEqual(['a']);
});

it('gives it that mode under any umask, and where none is asked for what the umask leaves', async () => {
  const before = process.umask(0o077);
  try {
    await write('open', 'one', { mode: 0o644 });
    await write('usual', 'two');
  } finally {
    process.umask(before);
  }
  const modes = ['open', 'usual'].map((name) => statSync(join(folder, name)).mode & 0o777);
  expect(modes).toEqual([0o644, 0o600]);
});

it('of writers at once lets one win, whole', async () => {
  const texts = ['one', 'two', 'three'];
  const done = await Promise.allSettled(texts.map((text) => write('a', text)));
  expect(done.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  const winner = texts[done.findIndex(({ status }) => status === 'fulfilled')];
  expect(readFileSync(join(folder, 'a'), 'utf8')).toBe(winner);
});

it('leaves the old file and nothing beside it where the content fails', async () => {
  writeFileSync(join(folder, 'a'), 'old');
  const failing = writeAtomically(join(folder, 'a'), { replace: true, fault }, async (sink) => {
    await sink('half');
    throw new Error('no more');
  });
  await expect(failing).rejects.toThrow('no more');
  expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('old');
  expect(readdirSync(folder)).toEqual(['a']);
});

it('names what the file system said', async () => {
  await expect(write('missing/a', 'x')).rejects.toThrow('fault ENOENT');
});
