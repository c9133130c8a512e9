import { describe, expect, it } from 'vitest';
import { handSealed } from '../../../support/hand-sealed.ts';
import { alice, bob, mallory } from '../../../support/keys.ts';
import { rawZip } from '../../../support/raw-zip.ts';
import { recipientKeyOf } from '../../../support/sealing.ts';
import { bench, flipped, repacked, sealed } from './sample.ts';

const HEX = /^[0-9a-f]{64}$/;

describe('capsule verify', () => {
  const { at, write, run, json } = bench();

  it('passes what nobody touched, and says that nobody is trusted yet', async () => {
    write('a.capsule', await sealed());
    const ran = await run('verify', at('a.capsule'));
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(/^File: +.*a\.capsule \(\d+ bytes\)\nCapsule ID: +[0-9a-f]{64}\n/);
    expect(ran.stdout).toContain(
      '\nChecks:\n  [✓] content_index\n  [✓] chain\n  [✓] envelope_signature\n  [✓] identity\n  [✓] layout\n',
    );
    expect(ran.stdout).toMatch(/ {2}- originator: {3}[0-9a-f]{64} {2}valid=true {2}trusted=false\n/);
    expect(ran.stdout.endsWith('\nResult: PASS\n')).toBe(true);
  });

  it('gives the same as one document with the names that scripts know', async () => {
    write('a.capsule', await sealed());
    expect(await json('verify', at('a.capsule'))).toMatchObject({
      ok: true,
      level: 'L2',
      capsule_id: expect.stringMatching(HEX),
      signed_at: '2026-05-07T12:00:00Z',
      errors: [],
      chain: { ok: true, errors: [] },
      content_index: { ok: true, errors: [] },
      envelope: {
        ok: true,
        signers: [{ role: 'originator', public_key: alice.identity, valid: true, trusted: false }],
      },
      notes: [expect.any(String)],
      trusted_signer_count: 0,
    });
  });

  it('fails a flipped payload byte and names content_index, and nothing else', async () => {
    write('a.capsule', flipped(await sealed(), 'towel'));
    const ran = await run('verify', at('a.capsule'));
    expect(ran).toMatchObject({ code: 1, stderr: '' });
    expect(ran.stdout).toContain('  [✗] content_index  (1 error)\n  [✓] chain\n');
    expect(ran.stdout).toContain('- content_index: payload/list.txt does not match its SHA-256');
    expect(ran.stdout.endsWith('\nResult: FAIL\n')).toBe(true);
    expect(await json('verify', at('a.capsule'))).toMatchObject({
      ok: false,
      content_index: { ok: false, errors: [expect.stringContaining('payload/list.txt')] },
      chain: { ok: true },
    });
  });

  it('warns of names that others have sealed and not every system can extract', async () => {
    write(
      'a.capsule',
      await handSealed({ 'payload/Data': '1', 'payload/data': '2', 'payload/con.txt': '3' }),
    );
    const ran = await run('verify', at('a.capsule'));
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toContain(
      '- layout: names that collide when extracted: "payload/Data" and "payload/data" differ only in case\n',
    );
    expect(ran.stdout).toContain('- layout: a name that Windows cannot have: payload/con.txt\n');
    expect(ran.stdout.endsWith('\nResult: PASS\n')).toBe(true);
    expect(await run('verify', at('a.capsule'), '--strict')).toMatchObject({ code: 1 });
  });

  it.each([
    ['--max-entries', '2', 'the limit is 2'],
    ['--max-bytes', '100', '100'],
  ])('reads nothing of an archive beyond %s %s', async (option, limit, message) => {
    write('a.capsule', await sealed());
    const ran = await run('verify', at('a.capsule'), option, limit);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain(message);
    expect(await run('verify', at('a.capsule'), option, '0')).toMatchObject({ code: 2 });
  });

  it('fails a changed event in the chain and in the index', async () => {
    write('a.capsule', flipped(await sealed(), 'A trip is planned'));
    const ran = await run('verify', at('a.capsule'));
    expect(ran.code).toBe(1);
    expect(ran.stdout).toMatch(/\[✗\] content_index {2}\(1 error\)\n {2}\[✗\] chain {2}\(/);
  });

  it.each([
    ['a key that signed', alice, [], 0, true, 1],
    ['a key that did not sign', mallory, [], 0, true, 0],
    ['a key that signed, which is demanded', alice, ['--require-trusted'], 0, true, 1],
    ['a key that did not sign, which is demanded', mallory, ['--require-trusted'], 1, false, 0],
  ])('with an allowlist of %s', async (_, key, more, code, ok, count) => {
    write('a.capsule', await sealed());
    const args = ['verify', at('a.capsule'), '--allowlist', key.identity, ...more];
    const ran = await run(...args);
    expect(ran.code).toBe(code);
    expect(ran.stdout.endsWith(`\nResult: ${ok ? 'PASS' : 'FAIL'}\n`)).toBe(true);
    expect(ran.stdout).toContain('valid=true');
    expect(await json(...args)).toMatchObject({ ok, trusted_signer_count: count, chain: { ok: true } });
  });

  it('reads an allowlist from a file, with comments', async () => {
    write('a.capsule', await sealed());
    write('keys', `# ours\n${bob.identity}  Bob\n\n${alice.identity} # Alice\n`);
    expect(await json('verify', at('a.capsule'), '--allowlist-file', at('keys'))).toMatchObject({
      trusted_signer_count: 1,
    });
  });

  it('verifies encrypted content with the key of either recipient, and with no other', async () => {
    const recipients = [recipientKeyOf(alice), recipientKeyOf(bob)];
    write('e.capsule', await sealed({}, { recipients }));
    const outside = await run('verify', at('e.capsule'));
    expect(outside.code).toBe(0);
    expect(outside.stdout).toContain('  [–] chain  (encrypted; --key FILE checks it)\n');
    expect(outside.stdout).toContain('  [✓] encrypted_blob\n');
    for (const key of ['alice.hex', 'bob.hex'])
      expect(await json('verify', at('e.capsule'), '--key', at(key))).toMatchObject({
        ok: true,
        level: 'L3',
      });
    const refused = await run('verify', at('e.capsule'), '--key', at('mallory.hex'), '--json');
    expect(refused.code).toBe(4);
    expect(JSON.parse(refused.stdout)).toMatchObject({ ok: false, error: { code: 'not_a_recipient' } });
    expect(refused.stderr).toMatch(/^capsule: [^\n]+ \(not_a_recipient\)\n$/);
  });

  it('warns of what the rules of the format do not allow, and fails it when strict', async () => {
    write('a.capsule', await repacked(await sealed(), (entries) => entries.toReversed()));
    const ran = await run('verify', at('a.capsule'));
    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(/\nWarnings:\n {2}- layout: /);
    const strict = await run('verify', at('a.capsule'), '--strict');
    expect(strict.code).toBe(1);
    expect(strict.stdout).toContain('  [✗] layout  (1 error)\n');
    expect(await run('verify', write('b.capsule', await sealed()), '--strict')).toMatchObject({ code: 0 });
  });

  it.each([
    ['no ZIP', 'hello'],
    ['nothing', ''],
    ['a ZIP without the documents', rawZip([{ name: 'readme.txt', content: 'hi' }])],
    ['a manifest that is no JSON', rawZip([{ name: 'manifest.json', content: '{' }])],
    ['a manifest that is no UTF-8', rawZip([{ name: 'manifest.json', content: Uint8Array.of(0xff) }])],
    ['a path that leads out', rawZip([{ name: '../manifest.json', content: '{}' }])],
    [
      'a name twice',
      rawZip([
        { name: 'manifest.json', content: '{}' },
        { name: 'manifest.json', content: '{}' },
      ]),
    ],
  ])('cannot read %s: one sentence, 2, and a document for who asked for one', async (_, content) => {
    write('bad.capsule', content);
    const ran = await run('verify', at('bad.capsule'));
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(/^capsule: [^\n]+\. \(invalid_archive\)\n$/);
    const asked = await run('verify', at('bad.capsule'), '--json');
    expect(asked.code).toBe(2);
    expect(JSON.parse(asked.stdout)).toMatchObject({ ok: false, error: { code: 'invalid_archive' } });
  });

  it('cannot read one that is cut short', async () => {
    const bytes = await sealed();
    write('cut.capsule', bytes.subarray(0, bytes.length - 40));
    expect(await run('verify', at('cut.capsule'))).toMatchObject({ code: 2, stdout: '' });
  });

  it('lets no control character of an archive through', async () => {
    write('a.capsule', rawZip([{ name: 'a\u001b[2J.json', content: '{}' }]));
    const ran = await run('verify', at('a.capsule'));
    expect(ran.code).toBe(2);
    expect(ran.stderr).not.toContain('\u001b');
  });

  it.each([
    ['a file that is not there', ['missing.capsule'], 'ENOENT'],
    ['a folder', ['.'], 'cannot be read'],
    ['an allowlist entry that is short', ['a.capsule', '--allowlist', 'abc123'], 'has 6 hex characters'],
    ['an allowlist entry in uppercase', ['a.capsule', '--allowlist', 'AB'.repeat(32)], 'uppercase'],
    ['an allowlist entry that is no hex', ['a.capsule', '--allowlist', 'alice'], 'is not a key'],
    ['an allowlist file that is not there', ['a.capsule', '--allowlist-file', 'missing'], 'ENOENT'],
    ['an allowlist file without a key', ['a.capsule', '--allowlist-file', 'empty'], 'no key'],
    ['an allowlist file with something else', ['a.capsule', '--allowlist-file', 'words'], 'Line 2 of'],
    ['a demand for trust in nobody', ['a.capsule', '--require-trusted'], 'whom you trust'],
    ['a key of the wrong length', ['a.capsule', '--key', 'short.hex'], 'has 62 hex characters'],
    ['a key file that is empty', ['a.capsule', '--key', 'empty'], 'missing'],
  ])('refuses %s with 2', async (_, args, message) => {
    write('a.capsule', await sealed());
    write('empty', '');
    write('words', `# names\nalice\n`);
    write('short.hex', `${'ab'.repeat(31)}\n`);
    const located = args.map((each) =>
      /^(--.*|[0-9A-Fa-f]{64}|abc123|alice)$/.test(each) ? each : at(each),
    );
    const ran = await run('verify', ...located);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(/^capsule: .*\. \(usage\)\n/);
    expect(ran.stderr).toContain(message);
    const asked = await run('verify', ...located, '--json');
    expect(JSON.parse(asked.stdout)).toMatchObject({ ok: false, error: { code: 'usage' } });
  });
});
