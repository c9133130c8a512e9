import { describe, expect, it } from 'vitest';
import type { Envelope } from '../../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { MAX_CHECKPOINT_SIGNATURES } from '../../../src/archive/checkpoint.ts';
import { nodeArchiveCrypto as crypto } from '../../../src/archive/crypto/node-crypto.ts';
import { DOCUMENT_LIMITS, MAX_EVENTS } from '../../../src/archive/documents.ts';
import { openArchive } from '../../../src/archive/open-verified.ts';
import { projectArchive } from '../../../src/archive/projection/hydrate.ts';
import { readArchive } from '../../../src/archive/read-unverified.ts';
import { verificationReport } from '../../../src/archive/report.ts';
import { continueArchive } from '../../../src/archive/seal/continue.ts';
import { sealToBytes } from '../../../src/archive/seal/seal.ts';
import { bytesSource } from '../../../src/archive/source.ts';
import type { ArchiveDraft, VerifyOptions } from '../../../src/archive/types.ts';
import { verifyArchive } from '../../../src/archive/verify.ts';
import { archiveBytes, event as archiveEvent, components } from '../../support/archives.ts';
import { draftOf, sealing } from '../../support/sealing.ts';
import { alice, bob, recipient, signer } from '../../vectors/archive/keys.ts';
import {
  type EncryptedRecipe,
  encrypted,
  event,
  plain,
  type Recipe,
  zip,
} from '../../vectors/archive/recipe.ts';

const made = async (recipe: Recipe) => zip(await plain(recipe));
const hidden = async (recipe: EncryptedRecipe) => zip(await encrypted('hostile', recipe));
const verify = (bytes: Uint8Array, options: VerifyOptions = {}) => verifyArchive(components, bytes, options);
const later = (envelope: Envelope) => {
  envelope.signed_at = '2026-05-22T12:00:00Z';
};
const otherCipher = (_: Uint8Array, metadata: JsonObject) => {
  metadata.cipher = 'AES-256-GCM';
};
const METADATA = 'skills/decryption/decryption.json';
const inside: VerifyOptions = { recipientSecret: recipient.secret };

describe('a list of signers', () => {
  const twice = () =>
    made({
      signed: (envelope) => {
        envelope.signers = envelope.signers.flatMap((one) => [one, one]);
      },
    });

  it('may not have a row twice, which would look like two who signed', async () => {
    const found = await verify(await twice());
    expect(found).toMatchObject({ ok: false, failing: ['envelope'] });
    expect(found.findings[0]?.message).toContain('twice');
  });

  it('is not called valid where it is not', async () => {
    const bytes = await made({ signed: later });
    const { notes, trustedSigners } = await verify(bytes, { allowlist: [bob.publicKey] });
    expect(trustedSigners).toBe(0);
    expect(notes.join()).not.toMatch(/valid signatures/);
  });
});

describe('what a verdict says of what was not looked at', () => {
  it('is not that it is well', async () => {
    const bytes = await made({
      manifest: (manifest) => {
        manifest.format = {
          version: '0.9',
          container: 'zip',
          canonicalization: 'JCS-RFC8785',
          hash_algorithm: 'SHA-256',
        };
      },
    });
    expect(verificationReport(await verify(bytes))).toMatchObject({
      ok: false,
      chain: { ok: false },
      content_index: { ok: false },
      envelope: { ok: false },
      identity: { ok: false },
    });
  });

  it('names every area of an inner archive, however much is wrong with one of them', async () => {
    const junk = Object.fromEntries(Array.from({ length: 1_200 }, (_, n) => [`payload/${String(n)}`, 'x']));
    const bytes = await hidden({
      inner: {
        files: junk,
        index: (files) => files.map((file) => ({ ...file, sha256: 'ab'.repeat(32) })),
        chain: (events) => events.map((one) => ({ ...one, kind: 'gossip' })),
      },
    });
    const found = await verify(bytes, inside);
    expect(found.failing).toEqual(['content_index', 'chain']);
    expect(found.notes.join()).toContain('not listed');
  });
});

describe('an encrypted archive from outside', () => {
  it('fails where its metadata is none, key or no key', async () => {
    for (const metadata of ['not JSON', '{}', '[]']) {
      const found = await verify(await hidden({ files: { [METADATA]: metadata } }));
      expect(found).toMatchObject({ ok: false, failing: ['layout'] });
    }
  });

  it('fails where its metadata names another cipher', async () => {
    const bytes = await hidden({ encrypted: otherCipher });
    expect(await verify(bytes)).toMatchObject({ ok: false, failing: ['encrypted_blob'] });
  });

  it('is warned of for files that lie beside its content', async () => {
    const bytes = await hidden({ files: { 'program.md': '# Another program\n' } });
    const found = await verify(bytes);
    expect(found.ok).toBe(true);
    expect(found.warnings.map(({ message }) => message).join()).toContain('program.md');
    expect(await verify(bytes, { strict: true })).toMatchObject({ ok: false, failing: ['layout'] });
  });

  it('may keep its metadata under another name in their folder, and nowhere else', async () => {
    const { [METADATA]: metadata = new Uint8Array() } = Object.fromEntries(await encrypted('hostile'));
    const at = (path: string) =>
      hidden({
        files: { [METADATA]: null, [path]: metadata },
        manifest: (manifest) => {
          manifest.encryption = { cipher: 'ChaCha20-Poly1305', metadata_path: path };
        },
      });
    const bytes = await at('skills/decryption/keys.json');
    expect(await verify(bytes, inside)).toMatchObject({ ok: true, level: 'L3' });
    expect(await verify(bytes, { strict: true })).toMatchObject({ ok: false, failing: ['layout'] });
    expect((await readArchive(components, bytes, inside)).plain?.events).toHaveLength(3);
    for (const path of ['program.md', 'skills/review/skill.json', 'skills/decryption.json'])
      expect(await verify(await at(path), inside)).toMatchObject({ ok: false, failing: ['layout'] });
  });
});

it('a plain archive has no content.enc, listed or not', async () => {
  const bytes = await made({ files: { 'content.enc': 'not encrypted at all' } });
  expect(await verify(bytes)).toMatchObject({ ok: false, failing: ['encrypted_blob'] });
});

describe('work that grows with what somebody else wrote', () => {
  it('is not done on an envelope that signers would sign by the megabyte', async () => {
    const bytes = await made({
      envelope: (envelope) => {
        envelope['x-long'] = 'x'.repeat(100_000);
      },
    });
    const found = await verify(bytes);
    expect(found).toMatchObject({ ok: false, failing: ['envelope'], signers: [{ valid: false }] });
  });

  it('has an end for the signatures in checkpoints', async () => {
    let checked = 0;
    const counting = {
      crypto: {
        ...crypto,
        verify: (...args: Parameters<typeof crypto.verify>) => {
          checked += 1;
          return crypto.verify(...args);
        },
      },
    };
    const rows: Envelope['signers'] = Array.from({ length: 256 }, (_, n) => ({
      role: `role ${String(n)}`,
      public_key: bob.publicKey,
      signature: '00'.repeat(64),
    }));
    const kept = (await plain()).get('provenance/envelope.json');
    const envelope: JsonObject = { ...JSON.parse(new TextDecoder().decode(kept)), signers: rows };
    const checkpoint = {
      ...event('system:host', 'checkpoint', 'archive_continued', { envelope }),
      target: 'provenance/envelope.json',
    };
    const count = Math.ceil(MAX_CHECKPOINT_SIGNATURES / 256) + 1;
    const bytes = await made({
      events: [event('human:alice', 'decision', 'asked', {}), ...Array(count).fill(checkpoint)],
    });
    const found = await verifyArchive(counting, bytes, { strict: true });
    expect(found.failing).toEqual(['chain']);
    expect(checked).toBeLessThanOrEqual(MAX_CHECKPOINT_SIGNATURES + 256);
  });

  it('does not hold a finding for each of a million departures', async () => {
    const marks = Array.from({ length: 400_000 }, () => '');
    const people = Array.from({ length: 400_000 }, () => ({ actor_id: 'nobody' }));
    const bytes = await made({
      events: [event('system:host', 'decision', 'asked', {}, marks)],
      manifest: (manifest) => {
        manifest.participants = people;
      },
    });
    const found = await verify(bytes);
    expect(found.ok).toBe(true);
    expect(found.warnings).toHaveLength(1_000);
    expect(found.notes.join()).toContain('399001 more');
  });

  it('does not read a document that is too large to be one', async () => {
    const size = DOCUMENT_LIMITS.maxBytes + 1;
    const bytes = await made({ files: { 'skills/large/skill.json': new Uint8Array(size) } });
    let longest = 0;
    const memory = bytesSource(bytes);
    const source = {
      size: memory.size,
      read: (offset: number, length: number) => {
        longest = Math.max(longest, length);
        return memory.read(offset, length);
      },
    };
    const found = await verifyArchive(components, source);
    expect(found).toMatchObject({ ok: false, failing: ['layout'] });
    expect(longest).toBeLessThan(size);
  });

  it('names an actor or a path of any length in a short sentence', async () => {
    const long = 'x'.repeat(1_000_000);
    const bytes = await made({
      manifest: (manifest) => {
        manifest.participants = [{ actor_id: 'nobody' }];
        manifest[long] = 1;
      },
      index: (files) => [...files, { path: long, sha256: 'ab'.repeat(32) }],
    });
    const { findings, warnings } = await verify(bytes);
    const longest = Math.max(...[...findings, ...warnings].map(({ message }) => message.length));
    expect(longest).toBeLessThan(1_000);
  });

  it('does not explain every one of a million mistakes', async () => {
    const wrong = Array.from({ length: 1_000_000 }, () => 1);
    const bytes = await made({
      manifest: (manifest) => {
        manifest.participants = wrong;
      },
    });
    const found = await verify(bytes);
    expect(found.findings).toMatchObject([
      { reason: 'invalid_shape', message: expect.stringContaining('too large to say where') },
    ]);
    const event = await made({ chain: ([first]) => [Object.assign({}, first, { payload: wrong })] });
    expect((await verify(event)).findings.map(({ message }) => message).join()).toContain('too large to say');
  });

  it('reads no more events than there may be', async () => {
    const found = await verify(await made({ lines: () => '\n'.repeat(MAX_EVENTS + 10) }));
    expect(found.failing).toEqual(['chain']);
    expect(found.notes.join()).toContain('more findings');
  });

  it('hears a signal amid large files that are in memory', async () => {
    const controller = new AbortController();
    const files = Object.fromEntries(
      Array.from({ length: 5 }, (_, n) => [`payload/${String(n)}`, new Uint8Array(30_000_000)]),
    );
    const bytes = await made({ files });
    setTimeout(() => controller.abort(new Error('enough')));
    await expect(verify(bytes, { signal: controller.signal })).rejects.toThrow('enough');
  });
});

describe('what no reader would take', () => {
  const sealed = (draft: Partial<ArchiveDraft>) => sealToBytes(components, draftOf(draft), sealing());

  it('is not sealed: more events than there may be', async () => {
    const events = Array.from({ length: MAX_EVENTS + 1 }, () => archiveEvent('Again.', { pith: false }));
    await expect(sealed({ events })).rejects.toMatchObject({ code: 'too_large' });
  });

  it('is not sealed: integers that other implementations hash as others', async () => {
    for (const n of [2 ** 53, -(2 ** 53), 1.7e18, 1e20]) {
      const events = [archiveEvent('Counted.', { payload: { deep: [{ n }] } })];
      await expect(sealed({ events })).rejects.toMatchObject({ code: 'invalid_request' });
    }
    for (const n of [Number.MAX_SAFE_INTEGER, 1e21, 0.5, -0, Number.MAX_VALUE])
      await sealed({ events: [archiveEvent('Counted.', { payload: { n } })] });
  });

  it('is not continued: a history of more signatures than are checked', async () => {
    const opened = await openArchive(components, await archiveBytes());
    const [first] = opened.events;
    if (first === undefined) throw new Error('There is no event.');
    const envelope: JsonObject = { signers: Array.from({ length: MAX_CHECKPOINT_SIGNATURES }, () => ({})) };
    const full = { ...first, kind: 'checkpoint', action: 'archive_continued', payload: { envelope } };
    const continued = continueArchive(
      components,
      { ...opened, events: [first, full] },
      { events: [] },
      sealing(),
      () => undefined,
    );
    await expect(continued).rejects.toMatchObject({ code: 'too_large' });
  });
});

describe('a signed skill inside of an encrypted archive', () => {
  const skill = {
    files: { 'skills/run/skill.json': '{"name":"Run"}', 'skills/run/SKILL.md': '# Run\n' },
    manifest: (manifest: JsonObject) => {
      manifest.skill_trust = { run: 'signed' };
    },
  };
  const both = [signer(alice), signer(bob, 'reviewer')];
  const instructions = async (recipe: EncryptedRecipe) => {
    const opened = await openArchive(components, await hidden(recipe), {
      ...inside,
      allowlist: [bob.publicKey],
    });
    const { sections } = await projectArchive(components, opened);
    return sections.filter(({ trust }) => trust === 'instructions').length;
  };

  it('is an instruction under a trusted signature on what is inside', async () => {
    expect(await instructions({ inner: { ...skill, signers: both }, signers: both })).toBe(1);
  });

  // One ciphertext can be made to open as two archives with two keys; who signs it from outside signs neither.
  it('is quoted where the trusted key signed only the ciphertext', async () => {
    expect(await instructions({ inner: skill, signers: both })).toBe(0);
  });
});
