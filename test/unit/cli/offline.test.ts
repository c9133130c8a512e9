import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import { inProcess } from '../../support/cli.ts';

describe('commands without a node', () => {
  let folder: string;
  let env: Record<string, string>;

  const at = (name: string): string => join(folder, name);
  const run = (...args: string[]) => inProcess(args, { env });
  const documentOf = async (...args: string[]) => JSON.parse((await run(...args)).stdout) as Capsule;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'capsule-offline-'));
    env = { CAPSULE_DATA: at('data') };
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it('creates, signs and checks a capsule', async () => {
    const next = '{"requestedCapability":"data.store","payloadTemplate":{"value":"$result"}}';
    const created = await run('create', 'text.stats', 'hello', '--next', next, '--timeout', '500');
    expect(created.stderr).toMatch(/^Made a new identity in .*: 12D3KooW/);
    const draft = JSON.parse(created.stdout) as Capsule;
    expect(draft).toMatchObject({
      requestedCapability: 'text.stats',
      payload: { text: 'hello' },
      privacyRule: 'public',
      executionPolicy: { timeout: 500 },
      next: [{ requestedCapability: 'data.store' }],
    });
    expect(draft).not.toHaveProperty('signature');
    writeFileSync(at('draft.json'), created.stdout);

    expect(await run('sign', at('draft.json'), '--out', at('capsule.json'))).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
    const signed = JSON.parse(readFileSync(at('capsule.json'), 'utf8')) as Capsule;
    expect(signed).toMatchObject({ ...draft, id: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(await run('check', at('capsule.json'))).toEqual({
      code: 0,
      stdout: `valid: ${signed.id}\n`,
      stderr: '',
    });
    const { stdout } = await run('check', at('capsule.json'), '--json');
    expect(JSON.parse(stdout)).toEqual({ valid: true, id: signed.id, originIdentity: signed.originIdentity });
  });

  it('signs at once with --sign, and reads standard input', async () => {
    const signed = await documentOf('create', 'text.stats', '--payload', '{"text":"a","deep":[1]}', '--sign');
    const ran = await inProcess(['check', '-'], { env, input: JSON.stringify(signed) });
    expect(ran).toMatchObject({ code: 0, stdout: `valid: ${signed.id}\n` });
  });

  it('fails the check of a tampered capsule with 1 and the reason', async () => {
    const signed = await documentOf('create', 'text.stats', 'hello', '--sign');
    writeFileSync(at('capsule.json'), JSON.stringify({ ...signed, payload: { text: 'hullo' } }));
    const ran = await run('check', at('capsule.json'), '--json');
    expect(ran.code).toBe(1);
    expect(JSON.parse(ran.stdout)).toMatchObject({ valid: false, code: 'invalid_signature' });
    expect(ran.stderr).toMatch(/^capsule: .* \(invalid_signature\)\n/);
  });

  it.each([
    ['nothing that is a capsule', '[]', 'check', 1, 'invalid_capsule'],
    ['no JSON', '{', 'check', 2, 'invalid_json'],
    [
      'a draft with an unknown field',
      '{"requestedCapability":"a.b","payload":{},"x":1}',
      'sign',
      2,
      'invalid_capsule',
    ],
    [
      'a capability that is no name',
      '{"requestedCapability":"A","payload":{}}',
      'sign',
      2,
      'invalid_capsule',
    ],
    [
      'somebody else’s draft',
      `{"requestedCapability":"a.b","payload":{},"originIdentity":"${'a'.repeat(64)}"}`,
      'sign',
      2,
      'invalid_request',
    ],
    ['what is signed already', '{"signature":""}', 'sign', 2, 'usage'],
  ])('refuses %s', async (_, text, command, exit, code) => {
    writeFileSync(at('input.json'), text);
    const ran = await run(command, at('input.json'));
    expect(ran).toMatchObject({ code: exit, stdout: '' });
    expect(ran.stderr).toContain(`(${code})`);
  });

  it('refuses to sign what no node would take', async () => {
    const ran = await run('create', 'text.stats', '--next', '[{"requestedCapability":"x"}]', '--sign');
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain('(usage)');
  });

  it('makes, shows and guards an identity', async () => {
    const missing = await run('identity', 'show');
    expect(missing).toMatchObject({ code: 1, stdout: '' });
    expect(missing.stderr).toContain('(not_found)\nMake one with: capsule identity new');
    const made = await run('identity', 'new', '--json');
    expect(made).toMatchObject({ code: 0, stderr: '' });
    const { identity, nodeId } = JSON.parse(made.stdout) as { identity: string; nodeId: string };
    expect(statSync(at('data/identity.json')).mode & 0o777).toBe(0o600);
    const shown = await run('identity', 'show');
    expect(shown.stdout).toContain(identity);
    expect(shown.stdout).toContain(nodeId);
    expect(await run('identity', 'new')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('(conflict)'),
    });
  });

  it('moves an identity, protected by a passphrase', async () => {
    await run('identity', 'new');
    const { stdout: original } = await run('identity', 'show', '--json');
    writeFileSync(at('secret'), 'correct horse\n');
    const exported = await run(
      'identity',
      'export',
      '--passphrase-file',
      at('secret'),
      '--out',
      at('key.json'),
    );
    expect(exported).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(statSync(at('key.json')).mode & 0o777).toBe(0o600);

    env = { CAPSULE_DATA: at('elsewhere') };
    expect(await run('identity', 'import', at('key.json'))).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('(unauthorized)'),
    });
    const imported = await run(
      'identity',
      'import',
      at('key.json'),
      '--passphrase-file',
      at('secret'),
      '--json',
    );
    expect(imported).toMatchObject({ code: 0, stderr: '' });
    const identityIn = (text: string) => (JSON.parse(text) as { identity: string }).identity;
    expect(identityIn(imported.stdout)).toBe(identityIn(original));
    expect(await run('identity', 'show')).toMatchObject({ code: 4 });
    env.CAPSULE_PASSPHRASE = 'correct horse';
    expect(await run('identity', 'show')).toMatchObject({ code: 0 });
    expect(await run('identity', 'import', at('key.json'))).toMatchObject({ code: 1 });
    expect(await run('identity', 'import', at('key.json'), '--replace')).toMatchObject({ code: 0 });
  });

  it.each(['a file', 'an option'])(
    'refuses a number that would become another one, by its path: %s',
    async (way) => {
      const payload = '{"value":{"orders":[1,9007199254740993]}}';
      writeFileSync(at('payload.json'), payload);
      const given = way === 'an option' ? payload : `@${at('payload.json')}`;
      expect(await run('create', 'data.store', '--payload', given, '--sign')).toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringContaining(
          '"value.orders.1" is the integer 9007199254740993, which not every reader knows exactly',
        ),
      });
    },
  );

  it('refuses a signed capsule whose number was changed to one that is read as the same', async () => {
    const created = await run('create', 'data.store', '--payload', '{"n":9007199254740992}', '--sign');
    writeFileSync(at('one.json'), created.stdout);
    writeFileSync(at('two.json'), created.stdout.replace('9007199254740992', '9007199254740993'));
    expect(await run('check', at('one.json'))).toMatchObject({ code: 0 });
    for (const command of ['check', 'sign'])
      expect(await run(command, at('two.json'))).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('"payload.n" is the integer 9007199254740993'),
      });
  });

  it('drops a byte order mark before a draft, and refuses it before a signed capsule', async () => {
    writeFileSync(at('payload.json'), '\ufeff{"text":"a"}');
    const signed = await run('create', 'text.stats', '--payload', `@${at('payload.json')}`, '--sign');
    expect(JSON.parse(signed.stdout)).toMatchObject({ payload: { text: 'a' } });
    writeFileSync(at('marked.json'), `\ufeff${signed.stdout}`);
    expect(await run('check', at('marked.json'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('begins with a byte order mark'),
    });
  });

  it.each(['utf16le', 'latin1'] as const)('refuses a passphrase file in %s', async (encoding) => {
    writeFileSync(at('secret'), Buffer.from('zürich\r\n', encoding));
    expect(await run('identity', 'new', '--passphrase-file', at('secret'))).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/secret is .*UTF-.*; save it as UTF-8\./),
    });
    expect(await run('identity', 'show')).toMatchObject({ stderr: expect.stringContaining('(not_found)') });
  });

  it('drops the byte order mark of a passphrase file', async () => {
    writeFileSync(at('secret'), '\ufeffcorrect horse\r\n');
    expect(await run('identity', 'new', '--passphrase-file', at('secret'))).toMatchObject({ code: 0 });
    env.CAPSULE_PASSPHRASE = 'correct horse';
    expect(await run('identity', 'show')).toMatchObject({ code: 0 });
  });

  it('refuses an empty passphrase file and an identity that is none', async () => {
    writeFileSync(at('secret'), '\n');
    expect(await run('identity', 'new', '--passphrase-file', at('secret'))).toMatchObject({ code: 2 });
    expect(await run('identity', 'new', '--passphrase-file', at('missing'))).toMatchObject({ code: 2 });
    expect(await run('identity', 'import', at('secret'))).toMatchObject({ code: 2 });
  });
});
