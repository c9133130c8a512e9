import { describe, expect, it } from 'vitest';
import { EVENT_KINDS } from '../../../protocols/archive/v1/schema.ts';
import { nodeArchiveCrypto as crypto } from '../../../src/archive/crypto/node-crypto.ts';
import { webArchiveCrypto } from '../../../src/archive/crypto/web-crypto.ts';
import { openArchive } from '../../../src/archive/open-verified.ts';
import { sealArchive, sealToBytes } from '../../../src/archive/seal/seal.ts';
import { bytesSource } from '../../../src/archive/source.ts';
import type {
  ArchiveDraft,
  ByteSource,
  EventDraft,
  OpenedArchive,
  SealOptions,
} from '../../../src/archive/types.ts';
import { verifyArchive } from '../../../src/archive/verify.ts';
import { readEntry } from '../../../src/archive/zip/content.ts';
import { openContainer } from '../../../src/archive/zip/reader.ts';
import { alice, bob, carol, mallory } from '../../support/keys.ts';
import { draftOf, recipientKeyOf, SEALED_AT, sealing, signerOf } from '../../support/sealing.ts';

const components = { crypto };
const text = (content: string) => new TextEncoder().encode(content);

async function seal(draft: Partial<ArchiveDraft> = {}, options: Partial<SealOptions> = {}) {
  return sealToBytes(components, draftOf(draft), sealing(options));
}

async function opened(draft: Partial<ArchiveDraft> = {}): Promise<OpenedArchive> {
  return openArchive(components, (await seal(draft)).bytes, { strict: true });
}

async function fileOf({ container }: Pick<OpenedArchive, 'container'>, path: string): Promise<string> {
  const entry = container.entries.get(path);
  if (entry === undefined) throw new Error(`${path} is missing.`);
  return new TextDecoder().decode(await readEntry(components, container, entry));
}

/** Gives other bytes from the second reading on. */
function changing(second: string): ByteSource {
  let readings = 0;
  const first = text('as it was');
  return {
    size: first.length,
    read: (offset, length) => {
      readings += 1;
      return (readings === 1 ? first : text(second)).subarray(offset, offset + length);
    },
  };
}

const event = (changes: Partial<EventDraft> = {}): EventDraft => ({
  actor: 'human:alice',
  kind: 'decision',
  action: 'approved',
  target: 'program.md',
  ...changes,
});

describe('sealArchive', () => {
  it('gives an archive that a strict reader takes, and says what it is', async () => {
    const { bytes, sealed } = await seal();
    const verification = await verifyArchive(components, bytes, {
      strict: true,
      allowlist: [alice.identity],
    });
    expect(verification).toMatchObject({
      ok: true,
      level: 'L2',
      findings: [],
      warnings: [],
      trustedSigners: 1,
    });
    expect(verification.manifest).toEqual(sealed.manifest);
    expect(verification.envelope).toEqual(sealed.envelope);
    expect(sealed).toMatchObject({
      capsuleId: sealed.manifest.id,
      entryHash: verification.events.at(-1)?.hash,
      size: bytes.length,
    });
  });

  it('puts everything where it belongs', async () => {
    const archive = await opened();
    expect([...archive.container.entries.keys()]).toEqual([
      'agents.md',
      'chain/events.jsonl',
      'manifest.json',
      'payload/data/values.bin',
      'payload/report.txt',
      'program.md',
      'provenance/envelope.json',
      'skills/notes.v2/skill.json',
      'skills/review/SKILL.md',
      'skills/review/skill.json',
    ]);
    expect(archive.manifest).toMatchObject({
      originator: { public_key: alice.identity, label: 'Alice' },
      skill_trust: { review: 'signed', 'notes.v2': 'unsigned' },
      encryption: null,
      created_at: SEALED_AT,
    });
    expect(JSON.parse(await fileOf(archive, 'skills/review/skill.json'))).toEqual({ name: 'Review' });
    expect(await fileOf(archive, 'program.md')).toBe(draftOf().program);
  });

  it('gives the same bytes for the same draft, on either platform', async () => {
    const [first, second] = [await seal(), await seal()];
    expect(second.bytes).toEqual(first.bytes);
    const web = await sealToBytes({ crypto: webArchiveCrypto }, draftOf(), sealing());
    expect(web.bytes).toEqual(first.bytes);
    expect((await seal({}, { sealedAt: '2026-05-07T12:00:01Z' })).bytes).not.toEqual(first.bytes);
  });

  it('writes what it gives in memory, and sources as bytes', async () => {
    const { bytes } = await seal();
    const chunks: Uint8Array[] = [];
    const payload = draftOf().payload?.map(({ path, content }) => ({
      path,
      content: content instanceof Uint8Array ? bytesSource(content) : content,
    }));
    await sealArchive(components, draftOf({ payload: payload ?? [] }), sealing(), (chunk) => {
      chunks.push(Uint8Array.from(chunk));
    });
    expect(new Uint8Array(Buffer.concat(chunks))).toEqual(bytes);
  });

  it('refuses a source that changes between its readings', async () => {
    const payload = [{ path: 'file', content: changing('as it Was') }];
    await expect(seal({ payload })).rejects.toMatchObject({ code: 'conflict' });
  });

  it('stops when it is told to', async () => {
    const signal = AbortSignal.abort();
    const payload = [{ path: 'file', content: bytesSource(text('bytes')) }];
    await expect(seal({ payload }, { signal })).rejects.toThrow('aborted');
  });
});

describe('events', () => {
  it('get their defaults', async () => {
    const { events } = await opened({
      events: [
        event({
          payload: { summary: 'One. Two. Three. Four.', statement: 's', text: 'One. Two. Three. Four.' },
        }),
        event({ untrusted_payload_fields: ['payload.text'], payload: { summary: 's' }, event_id: 'own' }),
        event({ timestamp: '2026-01-01T00:00:00Z' }),
      ],
    });
    expect(events).toMatchObject([
      {
        seq: 1,
        event_id: 'evt_001',
        timestamp: SEALED_AT,
        payload: { summary: 'One. Two. Three.', statement: 's', text: 'One. Two. Three. Four.' },
        untrusted_payload_fields: ['payload.summary', 'payload.statement'],
      },
      { seq: 2, event_id: 'own', untrusted_payload_fields: ['payload.text'] },
      { seq: 3, timestamp: '2026-01-01T00:00:00Z', payload: {}, untrusted_payload_fields: [] },
    ]);
  });

  it('keep their narrative as written where somebody opts out', async () => {
    const payload = { note: 'One. Two. Three. Four.' };
    expect((await opened({ pith: false, events: [event({ payload })] })).events[0]?.payload).toEqual(payload);
    const own = { ...event({ payload }), pith: false };
    const { events } = await opened({ events: [own, event({ payload })] });
    expect(events[0]?.payload).toEqual(payload);
    expect(events[0]).not.toHaveProperty('pith');
    expect(events[1]?.payload).toEqual({ note: 'One. Two. Three.' });
  });

  it('are one by the host where there are none', async () => {
    const { events: _, ...without } = draftOf();
    for (const draft of [draftOf({ events: [] }), without]) {
      const { bytes } = await sealToBytes(components, draft, sealing());
      expect((await verifyArchive(components, bytes, { strict: true })).events).toMatchObject([
        {
          seq: 1,
          actor: 'system:host',
          kind: 'observation',
          action: 'session_ended',
          target: 'capsule',
          timestamp: SEALED_AT,
          payload: { note: expect.any(String) },
        },
      ]);
    }
  });

  it('may be of every kind, and by the host', async () => {
    const events = EVENT_KINDS.map((kind) => event({ kind, actor: 'system:host' }));
    expect((await opened({ events })).events.map(({ kind }) => kind)).toEqual([...EVENT_KINDS]);
  });
});

describe('signers', () => {
  it('sign each in a role of their own', async () => {
    const signers = [signerOf(bob, 'reviewer'), signerOf(alice), signerOf(alice, 'publisher')];
    const { bytes, sealed } = await seal({}, { signers });
    const verification = await verifyArchive(components, bytes, { allowlist: [bob.identity], strict: true });
    expect(verification.signers).toEqual([
      { role: 'reviewer', public_key: bob.identity, valid: true, trusted: true },
      { role: 'originator', public_key: alice.identity, valid: true, trusted: false },
      { role: 'publisher', public_key: alice.identity, valid: true, trusted: false },
    ]);
    expect(sealed.manifest.originator.public_key).toBe(alice.identity);
  });

  it('cannot swap roles afterwards', async () => {
    const signers = [signerOf(alice), signerOf(bob, 'reviewer')];
    const { bytes } = await seal({}, { signers });
    const swapped = Buffer.from(bytes);
    const roles = ['"role": "originator"', '"role": "reviewer"'].map((role) => swapped.indexOf(role));
    expect(Math.min(...roles)).toBeGreaterThan(0);
    const [originator = 0, reviewer = 0] = roles;
    // The same length, so that nothing but the roles is different.
    swapped.write('"role": "reviewer"  ', originator);
    swapped.write('"role":"originator"', reviewer - 1);
    const verification = await verifyArchive(components, new Uint8Array(swapped));
    expect(verification.failing).toContain('envelope');
    expect(verification.signers.every(({ valid }) => !valid)).toBe(true);
  });

  it.each<[string, Partial<SealOptions>, RegExp]>([
    ['nobody', { signers: [] }, /originator/],
    ['no originator', { signers: [signerOf(alice, 'reviewer')] }, /originator/],
    ['one twice in one role', { signers: [signerOf(alice), signerOf(alice)] }, /twice/],
    ['an empty role', { signers: [signerOf(alice), signerOf(bob, '')] }, /role/],
    ['a role with a zero byte', { signers: [signerOf(alice), signerOf(bob, 'a\0b')] }, /role/],
    ['an uppercase key', { signers: [{ ...signerOf(alice), publicKey: 'AB'.repeat(32) }] }, /key/],
    ['a key of small order', { signers: [{ ...signerOf(alice), publicKey: '00'.repeat(32) }] }, /key/],
    ['a time with fractions', { sealedAt: '2026-05-07T12:00:00.000Z' }, /2026-05-07T12:00:00Z/],
    ['a day that is not', { sealedAt: '2026-02-30T12:00:00Z' }, /time/],
    ['a recipient who is none', { recipients: ['ab'] }, /recipient/],
    ['a recipient twice', { recipients: [recipientKeyOf(bob), recipientKeyOf(bob)] }, /twice/],
  ])('are refused: %s', async (_, options, message) => {
    await expect(seal({}, options)).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringMatching(message),
    });
  });
});

describe('recipients', () => {
  it('open it each with their own key, and nobody else does', async () => {
    const recipients = [recipientKeyOf(bob), recipientKeyOf(carol)];
    const { bytes, sealed } = await seal({}, { recipients });
    expect(bytes).toHaveLength(sealed.size);
    expect(await verifyArchive(components, bytes, { strict: true })).toMatchObject({ ok: true, level: 'L2' });
    for (const { seed } of [bob, carol]) {
      const verification = await verifyArchive(components, bytes, { recipientSecret: seed, strict: true });
      expect(verification).toMatchObject({ ok: true, level: 'L3', findings: [], warnings: [] });
      expect(verification.events).toHaveLength(2);
    }
    const stranger = verifyArchive(components, bytes, { recipientSecret: mallory.seed });
    await expect(stranger).rejects.toMatchObject({ code: 'not_a_recipient' });
  });

  it('find a whole archive of its own inside, and nobody finds a name of it outside', async () => {
    const { bytes, sealed } = await seal({}, { recipients: [recipientKeyOf(bob)] });
    const outer = await openContainer(components, bytesSource(bytes));
    expect([...outer.entries.keys()]).toEqual([
      'content.enc',
      'manifest.json',
      'provenance/envelope.json',
      'skills/decryption/decryption.json',
    ]);
    expect(sealed.manifest).toMatchObject({
      encryption: { metadata_path: 'skills/decryption/decryption.json', cipher: 'ChaCha20-Poly1305' },
      skill_trust: {},
      content_index: { files: [{ path: 'skills/decryption/decryption.json' }] },
    });
    const inner = await openArchive(components, bytes, { recipientSecret: bob.seed });
    const plain = await seal();
    expect(inner.manifest).toEqual(plain.sealed.manifest);
    expect(inner.envelope).toEqual(plain.sealed.envelope);
    const { capsule_id, first_event_hash, entry_hash } = inner.envelope;
    expect(sealed.envelope).toMatchObject({ capsule_id, first_event_hash, entry_hash });
  });
});

describe('drafts', () => {
  const participants = (...actors: string[]) => ({ participants: actors.map((actor_id) => ({ actor_id })) });
  const skill = (changes: object) => ({
    skills: [{ id: 'review', tier: 'signed' as const, metadata: {}, ...changes }],
  });
  const payload = (...paths: string[]) => ({
    payload: paths.map((path) => ({ path, content: text(path) })),
  });
  /** What only a caller without types, such as a file of JSON, gives. */
  const untyped = (value: unknown): never => value as never;

  it.each<[string, Partial<ArchiveDraft>, RegExp]>([
    ['no program', { program: '' }, /program/],
    ['a blank program', { program: ' \n\t' }, /program/],
    ['a program with a lone surrogate', { program: 'a\ud800' }, /program\.md.*surrogate/],
    ['agents with a lone surrogate', { agents: '\udc00' }, /agents\.md.*surrogate/],
    ['a label with a lone surrogate', { originatorLabel: '\udc00' }, /label.*surrogate/],
    ['no participant', participants(), /at least one participant/],
    ['a participant of no kind', participants('human:alice', 'robot:r2'), /robot:r2/],
    ['a participant without a name', participants('human:'), /human:/],
    ['a participant twice', participants('human:alice', 'human:alice'), /twice/],
    [
      'a participant with a number for a label',
      untyped({ participants: [{ actor_id: 'ai:a', label: 7 }] }),
      /label/,
    ],
    ['an event by nobody', { events: [event({ actor: 'human:eve' })] }, /Event 1 .*human:eve/],
    ['an unknown kind', untyped({ events: [event(), { ...event(), kind: 'thought' }] }), /Event 2 .*kind/],
    ['an event without an action', untyped({ events: [{ ...event(), action: '' }] }), /action/],
    ['a misspelt member', untyped({ events: [{ ...event(), time: 'now' }] }), /unknown field "time"/],
    [
      'a hash of one’s own',
      untyped({ events: [{ ...event(), hash: 'ab'.repeat(32) }] }),
      /unknown field "hash"/,
    ],
    ['a time with an offset', { events: [event({ timestamp: '2026-05-07T12:00:00+00:00' })] }, /timestamp/],
    ['a day that is not', { events: [event({ timestamp: '2025-02-29T12:00:00Z' })] }, /timestamp/],
    ['an hour that is not', { events: [event({ timestamp: '2025-02-28T24:00:00Z' })] }, /timestamp/],
    ['a path of nothing', { events: [event({ untrusted_payload_fields: ['payload'] })] }, /"payload"/],
    ['a path elsewhere', { events: [event({ untrusted_payload_fields: ['target'] })] }, /"target"/],
    ['a path with brackets', { events: [event({ untrusted_payload_fields: ['payload.a[0]'] })] }, /a\[0\]/],
    ['NaN', { events: [event({ payload: { number: Number.NaN } })] }, /finite/],
    ['undefined', untyped({ events: [{ ...event(), payload: { a: undefined } }] }), /undefined/],
    ['a lone surrogate', { events: [event({ payload: { a: ['\ud800'] } })] }, /surrogate/],
    ['a date', untyped({ events: [{ ...event(), payload: { a: new Date(0) } }] }), /plain object/],
    ['a skill that runs', skill({ metadata: { command: 'rm' } }), /command/],
    ['a skill with a runtime', skill({ metadata: { runtime: 'node' } }), /runtime/],
    ['a skill with an entry', skill({ metadata: { entrypoint: 'a' } }), /entrypoint/],
    ['a skill with a tool', skill({ metadata: { tool_id: null } }), /tool_id/],
    ['a skill in the place of the keys', skill({ id: 'decryption' }), /decryption/],
    ['the same in capitals', skill({ id: 'Decryption' }), /Decryption/],
    ['a skill one folder up', skill({ id: '..' }), /\.\./],
    ['a skill with a slash', skill({ id: 'a/b' }), /a\/b/],
    ['a skill of no tier', skill({ tier: 'trusted' }), /signed or unsigned/],
    ['a skill twice', { skills: [...skill({}).skills, ...skill({}).skills] }, /twice/],
    ['a payload path upwards', payload('../manifest.json'), /leads out/],
    ['an absolute payload path', payload('payload//etc/passwd'), /empty segment/],
    ['a backslash', payload('a\\b'), /backslash/],
    ['a zero byte', payload('a\0b'), /control character/],
    ['no payload path', payload(''), /names no file/],
    ['a folder', payload('folder/'), /names no file/],
    ['a payload path with a lone surrogate', payload('a\ud800'), /surrogate/],
    ['one path twice', payload('a', 'payload/a'), /twice/],
    ['a file that is a folder', payload('a/b', 'a'), /file and a folder/],
    [
      'names that differ only in case',
      payload('Data.csv', 'data.csv'),
      /"payload\/Data.csv" and "payload\/data.csv" differ only in case/,
    ],
    ['names that differ only in Unicode form', payload('e\u0301', '\u00e9'), /" and ".*only in Unicode form/],
    ['folders that differ only in case', payload('A/1', 'a/2'), /"payload\/A" and "payload\/a"/],
    ['a device', payload('aux.txt'), /"payload\/aux.txt" has "aux.txt" in it, which is a device/],
    ['a skill that is a device', skill({ id: 'con' }), /device/],
    ['a character that Windows reserves', payload('10:30.md'), /has a : in it/],
    ['a name that ends with a dot', payload('notes./x'), /dot or a space/],
  ])('are refused with %s', async (_, draft, message) => {
    await expect(seal(draft)).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringMatching(message),
    });
  });

  it('are refused above the limits, before anything is read', async () => {
    const read = () => {
      throw new Error('Nothing is to be read.');
    };
    const large = { payload: [{ path: 'large', content: { size: 1_073_741_824, read } }] };
    await expect(seal(large)).rejects.toMatchObject({ code: 'too_large' });
    const many = payload(...Array.from({ length: 10_000 }, (_, index) => `file-${String(index)}`));
    await expect(seal(many)).rejects.toMatchObject({ code: 'too_large' });
    const long = { events: [event({ payload: { text: 'x'.repeat(4_194_304) } })] };
    await expect(seal(long)).rejects.toMatchObject({ code: 'too_large' });
  });
});
