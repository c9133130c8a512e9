import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { capsule, mainFile, type Ran } from '../support/cli.ts';
import { version } from '../support/package.ts';

const HEX = /^[0-9a-f]{64}$/;

/** What scripts that were written for other implementations of the command rely on, from making keys to the end. */
describe('archives, as a new user and a script meet them', () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);
  const run = (...args: string[]): Promise<Ran> =>
    capsule(args, { env: { CAPSULE_DATA: at('data') }, cwd: folder });
  const key = (name: string): string => readFileSync(at(name), 'utf8').trim();

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'capsule-archive-process-'));
    await Promise.all(
      ['alice', 'bob', 'carol'].map((label) => run('keygen', '--out', 'keys', '--label', label)),
    );
    mkdirSync(at('trip'));
    writeFileSync(at('trip/program.md'), '# Trip\n');
    writeFileSync(at('trip/agents.md'), '# Agents\n');
    writeFileSync(at('trip/observation.txt'), 'fixture payload\n');
    const event = { kind: 'decision', action: 'created', target: 'program.md' };
    writeFileSync(at('trip/events.json'), JSON.stringify([event, { ...event, action: 'reviewed' }]));
    await run('seal', 'trip', '-o', 'clean.capsule', '--signer', 'originator:keys/alice.private.hex');
    const bytes = readFileSync(at('clean.capsule'));
    bytes[bytes.indexOf('fixture payload')] = 'F'.charCodeAt(0);
    writeFileSync(at('tampered.capsule'), bytes);
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  it('helps, and knows its version', async () => {
    const help = await run('--help');
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toMatch(/verify\s+verify/);
    expect(await run('help')).toEqual(help);
    expect(await run()).toMatchObject({ code: 2, stdout: '', stderr: help.stdout });
    expect((await run('--version')).stdout).toBe(`capsule ${version}\n`);
    expect(await run('does-not-exist')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('does-not-exist'),
    });
    expect(await run('verify', '--help')).toMatchObject({ code: 0, stderr: '' });
  });

  it('verifies: 0 and PASS, 1 and FAIL, 2 for what cannot be read', async () => {
    const clean = await run('verify', 'clean.capsule');
    expect(clean).toMatchObject({ code: 0, stderr: '' });
    expect(clean.stdout.endsWith('\nResult: PASS\n')).toBe(true);
    const tampered = await run('verify', 'tampered.capsule');
    expect(tampered).toMatchObject({ code: 1, stderr: '' });
    expect(tampered.stdout).toContain('[✗] content_index');
    expect(tampered.stdout.endsWith('\nResult: FAIL\n')).toBe(true);
    const document = JSON.parse((await run('verify', 'clean.capsule', '--json')).stdout) as object;
    expect(document).toMatchObject({ ok: true, level: 'L2', capsule_id: expect.stringMatching(HEX) });
    const missing = await run('verify', 'does-not-exist.capsule');
    expect(missing).toMatchObject({ code: 2, stdout: '' });
    expect(missing.stderr).toMatch(/^capsule: .* \(usage\)\n$/);
  });

  it('says FAIL with its exit code also to a reader who has left, and is not upset where nothing can be written', async () => {
    const shell = (line: string) =>
      promisify(execFile)('bash', ['-c', `set -o pipefail; ${line}`], { cwd: folder }).then(
        ({ stderr }) => ({ code: 0, stderr }),
        ({ code, stderr }: { code: number; stderr: string }) => ({ code, stderr }),
      );
    const verify = (file: string) => `"${process.execPath}" "${mainFile()}" verify ${file}`;
    expect(await shell(`${verify('tampered.capsule')} | exec true`)).toEqual({ code: 1, stderr: '' });
    expect(await shell(`${verify('clean.capsule')} | exec true`)).toEqual({ code: 0, stderr: '' });
    expect(await shell(`${verify('clean.capsule')} > /dev/full`)).toEqual({
      code: 2,
      stderr: 'capsule: The answer cannot be written (ENOSPC). (usage)\n',
    });
  });

  it('reads an archive from a pipe', async () => {
    const shell = (line: string) =>
      promisify(execFile)('bash', ['-c', line], { cwd: folder, env: { ...process.env, TMPDIR: folder } });
    const capsule = `"${process.execPath}" "${mainFile()}"`;
    const { stdout } = await shell(`cat clean.capsule | ${capsule} verify -`);
    expect(stdout.endsWith('\nResult: PASS\n')).toBe(true);
    expect((await shell(`${capsule} program - < clean.capsule`)).stdout).toBe('# Trip\n');
    expect(readdirSync(folder).filter((name) => name.startsWith('capsule-'))).toEqual([]);
  });

  it('shows what is inside', async () => {
    const [inspected, chain, events, program, agents, manifest, envelope] = await Promise.all([
      run('inspect', 'clean.capsule'),
      run('chain', 'clean.capsule', '--limit', '1'),
      run('chain', 'clean.capsule', '--json'),
      run('program', 'clean.capsule'),
      run('agents', 'clean.capsule'),
      run('manifest', 'clean.capsule'),
      run('envelope', 'clean.capsule'),
    ]);
    expect(inspected.stdout).toMatch(/created\s+\d/);
    expect(inspected.stdout).toContain('payload/observation.txt');
    expect(chain.stdout).toMatch(/kind\/action[\s\S]*1 more event/);
    expect(JSON.parse(events.stdout)).toHaveLength(2);
    expect(program.stdout).toBe('# Trip\n');
    expect(agents.stdout).toBe('# Agents\n');
    expect(JSON.parse(manifest.stdout)).toMatchObject({ format: { version: '0.6' } });
    expect(JSON.parse(envelope.stdout)).toMatchObject({ version: '0.6' });
  });

  it('extracts once, and again only with --force', async () => {
    expect(await run('extract', 'clean.capsule', 'out')).toMatchObject({ code: 0 });
    for (const name of ['manifest.json', 'chain/events.jsonl', 'payload/observation.txt'])
      expect(existsSync(at(`out/${name}`))).toBe(true);
    expect(await run('extract', 'clean.capsule', 'out')).toMatchObject({ code: 2, stdout: '' });
    expect(await run('extract', 'clean.capsule', 'out', '--force')).toMatchObject({ code: 0 });
  });

  it('seals for two, is opened by neither a third nor without a key, and goes on', async () => {
    const two = ['alice', 'bob'].flatMap((name) => ['--recipient', `keys/${name}.recipient.hex`]);
    const sealing = ['seal', 'trip', '-o', 'secret.capsule', '--signer', 'originator:keys/alice.private.hex'];
    expect(await run(...sealing, ...two)).toMatchObject({ code: 0 });
    expect(await run('verify', 'secret.capsule')).toMatchObject({ code: 0 });
    expect(await run('program', 'secret.capsule')).toMatchObject({ code: 2, stdout: '' });
    const third = await run('decrypt', 'secret.capsule', '--key', 'keys/carol.private.hex', '-o', 'x');
    expect(third).toMatchObject({ code: 4, stdout: '' });
    expect(third.stderr).toMatch(/^capsule: [^\n]+\. \(not_a_recipient\)\n$/);
    expect(existsSync(at('x'))).toBe(false);
    const second = ['decrypt', 'secret.capsule', '--key', 'keys/bob.private.hex', '-o', 'open.capsule'];
    expect(await run(...second)).toMatchObject({ code: 0 });
    const event = '{"actor":"human:bob","kind":"decision","action":"approved","target":"program.md"}';
    const appending = ['append', 'open.capsule', '-o', 'next.capsule', '--event', event];
    expect(await run(...appending, '--signer', 'originator:keys/alice.private.hex')).toMatchObject({
      code: 0,
    });
    const trusted = ['--allowlist', key('keys/alice.public.hex'), '--require-trusted'];
    const verified = await run('verify', 'next.capsule', '--strict', ...trusted);
    expect(verified).toMatchObject({ code: 0, stderr: '' });
    expect(verified.stdout).toContain('valid=true  trusted=true');
  });
});
