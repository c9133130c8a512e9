import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { makeDirectory, writeWhole } from '../../../../src/cli/archive-files.ts';
import { unpack } from '../../../../src/cli/archive-tree.ts';
import { bench } from './sample.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const USAGE = expect.objectContaining({ code: 'usage' }) as unknown;

describe('writing whole files', () => {
  const { at, write } = bench();
  const names = () => readdirSync(at('out')).sort();

  it('leaves nothing where what writes it fails half-way', async () => {
    mkdirSync(at('out'));
    const failing = writeWhole(at('out/a'), { force: false }, async (sink) => {
      await sink(bytes('half'));
      throw new Error('the disk is gone');
    });
    await expect(failing).rejects.toThrow('the disk is gone');
    expect(names()).toEqual([]);
  });

  it('never replaces a file that appeared meanwhile, unless it may', async () => {
    mkdirSync(at('out'));
    const racing = (force: boolean) =>
      writeWhole(at('out/a'), { force }, async (sink) => {
        write('out/a', 'theirs');
        await sink(bytes('ours'));
      });
    await expect(racing(false)).rejects.toEqual(USAGE);
    expect(readFileSync(at('out/a'), 'utf8')).toBe('theirs');
    await racing(true);
    expect(readFileSync(at('out/a'), 'utf8')).toBe('ours');
    expect(names()).toEqual(['a']);
  });

  it('does not write through a link that leads nowhere yet', async () => {
    mkdirSync(at('out'));
    symlinkSync(at('elsewhere'), at('out/a'));
    await expect(writeWhole(at('out/a'), { force: false }, async () => undefined)).rejects.toEqual(USAGE);
    await writeWhole(at('out/a'), { force: true }, async (sink) => sink(bytes('ours')));
    expect(() => readFileSync(at('elsewhere'))).toThrow('ENOENT');
  });

  it.each([
    ['a folder', 'is not a file'],
    ['a pipe', 'is not a file'],
    ['folder/', 'is not the name of a file'],
    ['', 'is not the name of a file'],
    ['missing/a', 'ENOENT'],
  ])('refuses %j before anything is written', async (name, message) => {
    mkdirSync(at('out/a folder'), { recursive: true });
    execFileSync('mkfifo', [at('out/a pipe')]);
    let asked = false;
    const place = name === '' ? '' : at(`out/${name}`);
    const writing = writeWhole(place, { force: true }, async () => {
      asked = true;
    });
    await expect(writing).rejects.toMatchObject({ code: 'usage', message: expect.stringContaining(message) });
    expect(asked).toBe(false);
    expect(names()).toEqual(['a folder', 'a pipe']);
  });

  it('does not wait for ever for a folder that cannot be', async () => {
    await expect(makeDirectory('/proc/capsule/a')).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await makeDirectory(at('x/y/z'))).toBe(at('x'));
    expect(await makeDirectory(at('x/y/z'))).toBeUndefined();
    write('x/file', '');
    await expect(makeDirectory(at('x/file/a'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  it('unpacks on Windows only what keeps its name there', async () => {
    const signal = new AbortController().signal;
    const unpacking = (onWindows: boolean) =>
      unpack(at('out'), ['a:b'], { force: true, signal, onWindows, write: async () => undefined });
    await expect(unpacking(true)).rejects.toThrow('"a:b" has a : in it, which Windows does not allow');
    await unpacking(false);
    expect(names()).toEqual(['a:b']);
  });

  it('keeps the old files when unpacking over them is interrupted or fails', async () => {
    write('out/a', 'old');
    const controller = new AbortController();
    const interrupted = unpack(at('out'), ['a', 'b', 'c/d'], {
      force: true,
      signal: controller.signal,
      write: async (path, sink) => {
        await sink(bytes('new'));
        if (path === 'b') controller.abort();
      },
    });
    await expect(interrupted).rejects.toThrow(/abort/i);
    expect(names()).toEqual(['a']);
    expect(readFileSync(at('out/a'), 'utf8')).toBe('old');
  });
});
