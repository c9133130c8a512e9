import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { handSealed } from '../../../support/hand-sealed.ts';
import { alice, bob, carol, mallory } from '../../../support/keys.ts';
import { recipientKeyOf } from '../../../support/sealing.ts';
import { bench, flipped, sealed } from './sample.ts';

const APPROVED = JSON.stringify({
  actor: 'human:bob',
  kind: 'decision',
  action: 'approved',
  target: 'program.md',
});
const BOTH = [recipientKeyOf(alice), recipientKeyOf(bob)];

describe('capsule append', () => {
  const { at, write, run, json } = bench();
  const append = (...args: string[]) => run('append', at('a.capsule'), '-o', at('b.capsule'), ...args);
  const byAlice = () => ['--signer', `originator:${at('alice.hex')}`];
  const chainOf = async (name: string, ...args: string[]) =>
    JSON.parse((await run('chain', at(name), '--json', ...args)).stdout) as object[];

  it('keeps the history, the identity and everything else, and adds who acts', async () => {
    write('a.capsule', await sealed());
    const ran = await append('--event', APPROVED, ...byAlice());
    expect(ran.code).toBe(0);
    expect(ran.stderr).toBe('human:bob joins the participants as contributor.\n');
    expect(await run('verify', at('b.capsule'), '--strict')).toMatchObject({ code: 0 });
    const [before, after] = [await chainOf('a.capsule'), await chainOf('b.capsule')];
    expect(after.slice(0, before.length)).toEqual(before);
    expect(after.slice(before.length)).toMatchObject([
      { kind: 'checkpoint', actor: 'system:host' },
      { kind: 'decision', action: 'approved', actor: 'human:bob' },
    ]);
    const [first, second] = [await json('inspect', at('a.capsule')), await json('inspect', at('b.capsule'))];
    expect(second.capsule_id).toBe(first.capsule_id);
    expect(second.payload_files).toEqual(first.payload_files);
  });

  it('keeps a name of others that Windows cannot have, and refuses to seal names again that collide', async () => {
    write('a.capsule', await handSealed({ 'payload/10:30.md': '1' }));
    expect(await append('--event', APPROVED, ...byAlice())).toMatchObject({ code: 0 });
    write('a.capsule', await handSealed({ 'payload/A': '1', 'payload/a': '2' }));
    const ran = await append('--event', APPROVED, ...byAlice(), '--force');
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain('"payload/A" and "payload/a" differ only in case');
  });

  it('takes participants, a program, several events and a time', async () => {
    write('a.capsule', await sealed());
    write('program.md', '# Next\n');
    const participant = JSON.stringify({ actor_id: 'human:bob', role: 'reviewer', label: 'Bob' });
    const more = [
      '--participant',
      participant,
      '--program',
      at('program.md'),
      '--at',
      '2026-06-01T00:00:00Z',
    ];
    const ran = await append('--event', `[${APPROVED},${APPROVED}]`, ...more, ...byAlice(), '--json');
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(ran.stdout)).toMatchObject({
      file: at('b.capsule'),
      signed_at: '2026-06-01T00:00:00Z',
    });
    expect((await run('program', at('b.capsule'))).stdout).toBe('# Next\n');
    expect(await json('manifest', at('b.capsule'))).toMatchObject({
      participants: expect.arrayContaining([{ actor_id: 'human:bob', role: 'reviewer', label: 'Bob' }]),
    });
    expect(await chainOf('b.capsule')).toHaveLength(6);
  });

  it('says when another originator makes it another capsule', async () => {
    write('a.capsule', await sealed());
    const before = (await json('inspect', at('a.capsule'))).capsule_id;
    const ran = await append('--event', APPROVED, '--signer', `originator:${at('bob.hex')}`);
    expect(ran.code).toBe(0);
    expect(ran.stderr).toContain(
      `Another originator signed, so the capsule id changed; it was ${String(before)}.\n`,
    );
  });

  it('leaves what was encrypted encrypted to the same people, unless others are named', async () => {
    write('a.capsule', await sealed({}, { recipients: BOTH }));
    const closed = await append('--event', APPROVED, ...byAlice());
    expect(closed).toMatchObject({ code: 2, stdout: '' });
    expect(closed.stderr).toMatch(
      /^capsule: The archive is encrypted: .* \(usage\)\nGive the key: --key FILE\n$/,
    );
    expect(await append('--event', APPROVED, ...byAlice(), '--key', at('bob.hex'))).toMatchObject({
      code: 0,
    });
    for (const key of ['alice.hex', 'bob.hex'])
      expect(await chainOf('b.capsule', '--key', at(key))).toHaveLength(5);
    const others = ['--recipient', recipientKeyOf(carol), '--force', '--key', at('bob.hex')];
    expect(await append('--event', APPROVED, ...byAlice(), ...others)).toMatchObject({ code: 0 });
    expect(await run('chain', at('b.capsule'), '--key', at('bob.hex'))).toMatchObject({ code: 4 });
    expect(await chainOf('b.capsule', '--key', at('carol.hex'))).toHaveLength(5);
  });

  it('may replace the archive it continues', async () => {
    write('a.capsule', await sealed());
    const same = ['append', at('a.capsule'), '-o', at('a.capsule'), '--event', APPROVED, ...byAlice()];
    expect(await run(...same)).toMatchObject({ code: 2 });
    expect(await run(...same, '--force')).toMatchObject({ code: 0 });
    expect(await chainOf('a.capsule')).toHaveLength(5);
  });

  it('continues nothing that does not verify', async () => {
    write('a.capsule', flipped(await sealed(), 'towel'));
    const ran = await append('--event', APPROVED, ...byAlice());
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toMatch(/^capsule: .*content_index.* \(unverified_archive\)\n$/);
    expect(existsSync(at('b.capsule'))).toBe(false);
  });

  it.each([
    ['nothing to append', [], 'no event to append'],
    ['an event that is no JSON', ['--event', '{'], '--event: '],
    ['an event that is no object', ['--event', '1'], '--event is not valid'],
    ['an event of nobody', ['--event', '{"kind":"decision","action":"a","target":"t"}'], 'lacks "actor"'],
    ['an event of a kind that is none', ['--event', APPROVED.replace('decision', 'joke')], 'kind'],
    ['an actor who is none', ['--event', APPROVED.replace('human:bob', 'bob')], 'bob'],
    ['an event file that is not there', ['--event', '@missing.json'], 'ENOENT'],
    [
      'a participant with a misspelt member',
      ['--event', APPROVED, '--participant', '{"actor":"human:bob"}'],
      'participant',
    ],
  ])('refuses %s', async (_, args, message) => {
    write('a.capsule', await sealed());
    const ran = await append(...args, ...byAlice());
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(/^capsule: .*\. \((usage|invalid_json|invalid_request)\)\n/);
    expect(ran.stderr).toContain(message);
    expect(existsSync(at('b.capsule'))).toBe(false);
  });
});

describe('capsule decrypt', () => {
  const { at, write, run, json } = bench();
  const decrypt = (...args: string[]) => run('decrypt', at('e.capsule'), '-o', at('p.capsule'), ...args);

  it('writes the plain archive inside, with its own signatures', async () => {
    write('e.capsule', await sealed({}, { recipients: BOTH }));
    const ran = await decrypt('--key', at('bob.hex'));
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(await json('verify', at('p.capsule'), '--allowlist', alice.identity)).toMatchObject({
      ok: true,
      trusted_signer_count: 1,
    });
    const outer = await json('inspect', at('e.capsule'));
    expect(await json('inspect', at('p.capsule'))).toMatchObject({
      cipher: 'none',
      chain_length: 3,
      capsule_id: outer.capsule_id,
    });
  });

  it('refuses a key that is not among the recipients, with 4 and one sentence', async () => {
    write('e.capsule', await sealed({}, { recipients: BOTH }));
    for (const stranger of [carol, mallory]) {
      const name = stranger === carol ? 'carol.hex' : 'mallory.hex';
      const ran = await decrypt('--key', at(name));
      expect(ran).toMatchObject({ code: 4, stdout: '' });
      expect(ran.stderr).toMatch(/^capsule: [^\n]+\. \(not_a_recipient\)\n$/);
    }
    expect(existsSync(at('p.capsule'))).toBe(false);
  });

  it('writes nothing of what was tampered with', async () => {
    const bytes = Buffer.from(await sealed({}, { recipients: BOTH }));
    const at7 = bytes.indexOf('content.enc') + 'content.enc'.length + 40;
    bytes[at7] = (bytes[at7] ?? 0) ^ 1;
    write('e.capsule', bytes);
    const ran = await decrypt('--key', at('bob.hex'));
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toMatch(/^capsule: .*encrypted_blob.* \(unverified_archive\)\n$/);
    expect(existsSync(at('p.capsule'))).toBe(false);
  });

  it('refuses what is not encrypted, an output that is there, and a missing key', async () => {
    write('e.capsule', await sealed());
    expect((await decrypt('--key', at('bob.hex'))).stderr).toMatch(/is not encrypted; .* \(usage\)\n$/);
    write('p.capsule', 'mine');
    expect(await decrypt('--key', at('bob.hex'))).toMatchObject({ code: 2 });
    expect(readFileSync(at('p.capsule'), 'utf8')).toBe('mine');
    expect((await decrypt()).stderr).toContain("'--key <file>' not specified");
  });
});
