import { describe, expect, it } from 'vitest';
import { openArchive } from '../../../src/archive/open-verified.ts';
import { readArchive } from '../../../src/archive/read-unverified.ts';
import { verificationReport } from '../../../src/archive/report.ts';
import { bytesSource } from '../../../src/archive/source.ts';
import { verifyArchive } from '../../../src/archive/verify.ts';
import { archiveBytes, components, patched } from '../../support/archives.ts';
import { alice, bob, mallory } from '../../support/keys.ts';
import { recipientKeyOf, SEALED_AT, signerOf } from '../../support/sealing.ts';

const verify = (bytes: Uint8Array, options = {}) => verifyArchive(components, bytes, options);

describe('verifyArchive', () => {
  it('finds nothing wrong with what was sealed, strictly too', async () => {
    const found = await verify(await archiveBytes(), { strict: true });
    expect(found).toMatchObject({ ok: true, level: 'L2', readable: true, failing: [], warnings: [] });
    expect(found.events.map(({ seq }) => seq)).toEqual([1, 2]);
  });

  it('tells valid from trusted', async () => {
    const bytes = await archiveBytes({}, { signers: [signerOf(alice), signerOf(bob, 'reviewer')] });
    const found = await verify(bytes, { allowlist: [bob.identity, mallory.identity] });
    expect(found.signers).toMatchObject([
      { role: 'originator', valid: true, trusted: false },
      { role: 'reviewer', valid: true, trusted: true },
    ]);
    expect(found).toMatchObject({ ok: true, trustedSigners: 1 });
    expect((await verify(bytes)).notes.join()).toContain('No allowlist');
    expect((await verify(bytes, { allowlist: [mallory.identity] })).notes.join()).toContain(
      'nobody is trusted',
    );
  });

  it('counts a key that signed in two roles once', async () => {
    const bytes = await archiveBytes({}, { signers: [signerOf(alice), signerOf(alice, 'reviewer')] });
    expect((await verify(bytes, { allowlist: [alice.identity] })).trustedSigners).toBe(1);
  });

  it('names the one area of a changed payload, checksum or not', async () => {
    const found = await verify(patched(await archiveBytes(), 'a report', 'a rePort'));
    expect(found).toMatchObject({ ok: false, readable: true, failing: ['content_index'] });
    expect(found.findings).toMatchObject([{ path: 'payload/report.txt' }]);
  });

  it('names every event that fails, and goes on', async () => {
    const bytes = patched(patched(await archiveBytes(), 'Began.', 'Begun.'), '"noted"', '"n0ted"');
    const found = await verify(bytes);
    expect(found.failing).toEqual(['content_index', 'chain']);
    expect(found.findings.filter(({ area }) => area === 'chain').map(({ seq }) => seq)).toEqual([1, 2]);
  });

  it('names each line of the chain that is not UTF-8, and reads the others', async () => {
    const bytes = patched(await archiveBytes(), 'Began.', 'Beg??.');
    bytes.set([0xc3, 0x28], Buffer.from(bytes).indexOf('??'));
    const found = await verify(bytes);
    expect(found.findings.filter(({ area }) => area === 'chain')).toContainEqual({
      area: 'chain',
      path: 'chain/events.jsonl',
      seq: 1,
      message: 'the line is not valid UTF-8',
    });
    expect(found.events.map(({ seq }) => seq)).toEqual([2]);
  });

  it('judges a text by its bytes wherever it is cut while it is read', async () => {
    const program = `a${'é'.repeat(4_600_000)}`;
    const bytes = await archiveBytes({ program });
    const whole = await verify(bytes);
    expect(whole).toMatchObject({ ok: true, findings: [] });
    const damaged = bytes.slice();
    damaged[Buffer.from(bytes).lastIndexOf('éé')] = 0x28;
    const { findings } = await verify(damaged);
    expect(findings).toContainEqual({
      area: 'layout',
      reason: 'invalid_utf8',
      path: 'program.md',
      message: 'program.md is not valid UTF-8',
    });
  });

  it('reports a changed manifest as a hash and a checksum', async () => {
    const found = await verify(patched(await archiveBytes(), '"label":"Alice"', '"label":"Mella"'));
    expect(found).toMatchObject({ ok: false, readable: true, failing: ['layout', 'envelope'] });
  });

  it('says of a newer version only that', async () => {
    const found = await verify(patched(await archiveBytes(), '"version":"0.6"', '"version":"0.9"'));
    expect(found.ok).toBe(false);
    expect(found.findings).toMatchObject([{ reason: 'wrong_crc' }, { reason: 'unsupported_version' }]);
    expect(found.signers).toEqual([]);
  });

  it('has a result for what is no archive at all', async () => {
    for (const bytes of [new Uint8Array(), new Uint8Array(100), new TextEncoder().encode('PK and so on')]) {
      const found = await verify(bytes, { allowlist: [alice.identity] });
      expect(found).toMatchObject({ ok: false, readable: false, failing: ['layout'], manifest: null });
    }
  });

  it('stops when aborted', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(verify(await archiveBytes(), { signal })).rejects.toThrow('enough');
  });

  it('refuses an allowlist with what is no key', async () => {
    await expect(verify(await archiveBytes(), { allowlist: ['ABC'] })).rejects.toThrow('64 lowercase hex');
  });

  it('reads from any source of bytes, not only from memory', async () => {
    const bytes = await archiveBytes();
    const memory = bytesSource(bytes);
    const slow = {
      size: memory.size,
      read: async (offset: number, length: number) => memory.read(offset, length),
    };
    expect(await verifyArchive(components, slow)).toEqual(await verify(bytes));
  });
});

describe('an encrypted archive', () => {
  const encrypted = () => archiveBytes({}, { recipients: [recipientKeyOf(alice), recipientKeyOf(bob)] });

  it('verifies from outside without a key, and says what that leaves out', async () => {
    const found = await verify(await encrypted());
    expect(found).toMatchObject({ ok: true, level: 'L2', events: [] });
    expect(found.notes.join()).toContain('not checked');
  });

  it.each([alice, bob])('verifies inside with the key of each recipient', async (key) => {
    const found = await verify(await encrypted(), { recipientSecret: key.seed, strict: true });
    expect(found).toMatchObject({ ok: true, level: 'L3' });
    expect(found.events).toHaveLength(2);
  });

  it("refuses a stranger's key", async () => {
    const reading = verify(await encrypted(), { recipientSecret: mallory.seed });
    await expect(reading).rejects.toMatchObject({ code: 'not_a_recipient' });
  });

  it('does not blame the archive for a secret that is none', async () => {
    const reading = verify(await encrypted(), { recipientSecret: new Uint8Array(31) });
    await expect(reading).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it('does not decrypt what fails from outside', async () => {
    const bytes = patched(await encrypted(), SEALED_AT, '2027-05-07T12:00:00Z');
    const found = await verify(bytes, { recipientSecret: bob.seed });
    expect(found).toMatchObject({ ok: false, level: 'L3', events: [] });
  });
});

describe('openArchive', () => {
  it('gives what verified, and its events', async () => {
    const opened = await openArchive(components, await archiveBytes());
    expect(opened.verification.ok).toBe(true);
    expect(opened.events).toHaveLength(2);
    expect([...opened.container.entries.keys()]).toContain('payload/report.txt');
  });

  it('refuses what does not verify, naming where', async () => {
    const bytes = patched(await archiveBytes(), 'a report', 'a rePort');
    await expect(openArchive(components, bytes)).rejects.toMatchObject({
      code: 'unverified_archive',
      detail: { failing: ['content_index'] },
    });
    await expect(openArchive(components, new Uint8Array(9))).rejects.toMatchObject({
      code: 'invalid_archive',
    });
  });

  it('refuses an encrypted one without a key', async () => {
    const bytes = await archiveBytes({}, { recipients: [recipientKeyOf(bob)] });
    await expect(openArchive(components, bytes)).rejects.toMatchObject({ code: 'key_required' });
    const opened = await openArchive(components, bytes, { recipientSecret: bob.seed });
    expect(opened.decryption?.key_bundles).toHaveLength(1);
    expect([...opened.container.entries.keys()]).toContain('program.md');
  });
});

describe('readArchive', () => {
  it('shows what does not verify as well', async () => {
    const read = await readArchive(components, patched(await archiveBytes(), 'Began.', 'Begun.'));
    expect(read).toMatchObject({ encrypted: false });
    expect(read.plain?.events[0]?.payload).toEqual({ summary: 'Begun.' });
  });

  it('shows an encrypted one only from outside, without a key', async () => {
    const bytes = await archiveBytes({}, { recipients: [recipientKeyOf(bob)] });
    expect(await readArchive(components, bytes)).toMatchObject({ encrypted: true, plain: null });
    const read = await readArchive(components, bytes, { recipientSecret: bob.seed });
    expect(read.plain?.events).toHaveLength(2);
  });
});

describe('verificationReport', () => {
  it('has the field names that scripts rely on', async () => {
    const bytes = patched(await archiveBytes(), 'Began.', 'Begun.');
    const report = verificationReport(await verify(bytes, { allowlist: [alice.identity] }));
    expect(report).toMatchObject({
      ok: false,
      level: 'L2',
      signed_at: SEALED_AT,
      chain: { ok: false, errors: [{ seq: 1 }] },
      content_index: { ok: false, errors: ['chain/events.jsonl does not match its SHA-256'] },
      envelope: {
        ok: true,
        signers: [{ role: 'originator', public_key: alice.identity, valid: true, trusted: true }],
      },
      identity: { ok: true },
      notes: [],
      trusted_signer_count: 1,
    });
    expect(report.capsule_id).toMatch(/^[0-9a-f]{64}$/);
    expect(report.errors).toHaveLength(2);
  });

  it('passes no area of what could not be read', async () => {
    const report = verificationReport(await verify(new Uint8Array(40)));
    expect(report).toMatchObject({
      ok: false,
      readable: false,
      capsule_id: null,
      layout: { ok: false, errors: [{ reason: 'not_a_zip' }] },
      chain: { ok: false },
      content_index: { ok: false },
      envelope: { ok: false, signers: [] },
    });
  });
});
