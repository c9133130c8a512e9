import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bob } from '../../../support/keys.ts';
import { recipientKeyOf } from '../../../support/sealing.ts';
import { bench, DRAFT, repacked, sealed } from './sample.ts';

describe('capsule extract', () => {
  const { at, write, run, json } = bench();
  const archive = async () => write('a.capsule', await sealed());
  /** With further files, which no index knows: extracting does not verify. */
  const holding = async (...names: string[]) =>
    write(
      'a.capsule',
      await repacked(await sealed(), (entries) => [
        ...entries,
        ...names.map((name) => ({ name, content: name })),
      ]),
    );
  const left = (name: string): string[] => readdirSync(at(name), { recursive: true }).map(String).sort();

  it('unpacks every file into a directory that is made for it', async () => {
    const ran = await run('extract', await archive(), at('deep/out'));
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toContain('  wrote payload/list.txt ');
    expect(ran.stdout).toMatch(/\nextracted 9 files \(.*\) to .*out\n$/);
    expect(readFileSync(at('deep/out/program.md'), 'utf8')).toBe(DRAFT.program);
    expect(left('deep/out')).toEqual([
      'agents.md',
      'chain',
      'chain/events.jsonl',
      'manifest.json',
      'payload',
      'payload/list.txt',
      'payload/maps',
      'payload/maps/coast.txt',
      'program.md',
      'provenance',
      'provenance/envelope.json',
      'skills',
      'skills/pack',
      'skills/pack/SKILL.md',
      'skills/pack/skill.json',
    ]);
  });

  it('refuses a directory that is not empty, and replaces files in it with --force', async () => {
    write('out/program.md', 'mine');
    write('out/other.txt', 'kept');
    const refused = await run('extract', await archive(), at('out'));
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toMatch(/^capsule: .*out is not empty\. \(usage\)\n/);
    expect(left('out')).toEqual(['other.txt', 'program.md']);
    expect(await json('extract', at('a.capsule'), at('out'), '--force')).toMatchObject({
      directory: at('out'),
      files: expect.arrayContaining([{ path: 'payload/list.txt', size: 6 }]),
    });
    expect(readFileSync(at('out/program.md'), 'utf8')).toBe(DRAFT.program);
    expect(readFileSync(at('out/other.txt'), 'utf8')).toBe('kept');
  });

  it('writes nothing through a link that is in the directory already', async () => {
    mkdirSync(at('outside'));
    mkdirSync(at('out'));
    symlinkSync(at('outside'), at('out/payload'));
    const ran = await run('extract', await archive(), at('out'), '--force');
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain('is a symbolic link');
    expect(left('outside')).toEqual([]);
    expect(readdirSync(at('out'))).toEqual(['payload']);
  });

  it('replaces a link that stands where a file goes, and leaves alone where it leads', async () => {
    write('outside.md', 'safe');
    mkdirSync(at('out'));
    symlinkSync(at('outside.md'), at('out/program.md'));
    expect(await run('extract', await archive(), at('out'), '--force')).toMatchObject({ code: 0 });
    expect(readFileSync(at('outside.md'), 'utf8')).toBe('safe');
    expect(readFileSync(at('out/program.md'), 'utf8')).toBe(DRAFT.program);
  });

  it('refuses a directory that stands where a file goes', async () => {
    write('out/program.md/x', 'x');
    expect(await run('extract', await archive(), at('out'), '--force')).toMatchObject({ code: 2 });
    expect(left('out')).toEqual(['program.md', 'program.md/x']);
  });

  it.each([
    ['names that differ by case', 'payload/A.txt', 'payload/a.txt'],
    ['folders that differ by case', 'payload/A/1', 'payload/a/2'],
    ['names that differ by Unicode form', 'payload/\u00e9', 'payload/e\u0301'],
    ['a file where another one needs a folder', 'payload/x', 'payload/x/y'],
  ])('refuses %s before anything is written', async (_, ...names) => {
    const ran = await run('extract', await holding(...names), at('out'));
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(existsSync(at('out'))).toBe(false);
  });

  it('leaves nothing behind when a file turns out to be damaged', async () => {
    const bytes = await repacked(await sealed(), (entries) =>
      entries.map((entry) => (entry.name === 'payload/list.txt' ? { ...entry, crc32: 1 } : entry)),
    );
    const ran = await run('extract', write('a.capsule', bytes), at('out'));
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(/^capsule: payload\/list\.txt .*\. \(invalid_archive\)\n$/);
    expect(existsSync(at('out'))).toBe(false);
    mkdirSync(at('empty'));
    expect(await run('extract', at('a.capsule'), at('empty'))).toMatchObject({ code: 2 });
    expect(readdirSync(at('empty'))).toEqual([]);
  });

  it('unpacks what is inside of encrypted content with a key, else the outside', async () => {
    write('e.capsule', await sealed({}, { recipients: [recipientKeyOf(bob)] }));
    const outer = await run('extract', at('e.capsule'), at('outer'));
    expect(outer.code).toBe(0);
    expect(outer.stderr).toContain('--key FILE');
    expect(existsSync(at('outer/content.enc'))).toBe(true);
    expect(await run('extract', at('e.capsule'), at('inner'), '--key', at('bob.hex'))).toMatchObject({
      code: 0,
    });
    expect(readFileSync(at('inner/program.md'), 'utf8')).toBe(DRAFT.program);
  });

  it('says where it cannot write', async () => {
    write('file', 'x');
    const ran = await run('extract', await archive(), at('file'));
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain('ENOTDIR');
    expect(await run('extract', at('a.capsule'), at('file/below'))).toMatchObject({ code: 2, stdout: '' });
  });
});
