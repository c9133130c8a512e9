import { describe, expect, it } from 'vitest';
import type { ArchiveEvent } from '../../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { GENESIS, linkEvents } from '../../../src/archive/chain.ts';
import { checkCheckpoints } from '../../../src/archive/checkpoint.ts';
import { nodeArchiveCrypto as crypto } from '../../../src/archive/crypto/node-crypto.ts';
import { openArchive } from '../../../src/archive/open-verified.ts';
import { type ArchiveAdditions, continueArchive } from '../../../src/archive/seal/continue.ts';
import { sealToBytes } from '../../../src/archive/seal/seal.ts';
import type {
  ArchiveDraft,
  Finding,
  OpenedArchive,
  SealOptions,
  VerifyOptions,
} from '../../../src/archive/types.ts';
import { verifyArchive } from '../../../src/archive/verify.ts';
import { readEntry } from '../../../src/archive/zip/content.ts';
import { isObject } from '../../../src/lib/json.ts';
import { alice, bob, carol, mallory } from '../../support/keys.ts';
import { draftOf, recipientKeyOf, SEALED_AT, sealing, signerOf } from '../../support/sealing.ts';

const LATER = '2026-05-08T09:30:00Z';
const components = { crypto };
const note: ArchiveAdditions = {
  events: [{ actor: 'human:alice', kind: 'observation', action: 'noted', target: 'capsule' }],
};

async function sealed(draft: Partial<ArchiveDraft> = {}, options: Partial<SealOptions> = {}) {
  return (await sealToBytes(components, draftOf(draft), sealing(options))).bytes;
}

async function continued(
  archive: Uint8Array | OpenedArchive,
  additions: ArchiveAdditions = note,
  options: Partial<SealOptions> = {},
  opening: VerifyOptions = {},
) {
  const opened = archive instanceof Uint8Array ? await openArchive(components, archive, opening) : archive;
  const chunks: Uint8Array[] = [];
  const result = await continueArchive(
    components,
    opened,
    additions,
    sealing({ sealedAt: LATER, ...options }),
    (chunk) => {
      chunks.push(Uint8Array.from(chunk));
    },
  );
  const bytes = new Uint8Array(Buffer.concat(chunks));
  expect(bytes).toHaveLength(result.size);
  return { bytes, sealed: result };
}

async function checked(events: readonly ArchiveEvent[]): Promise<Finding[]> {
  const found: Finding[] = [];
  const read = events.map((event, index) => ({ line: index + 1, event: { ...event } }));
  await checkCheckpoints(components, read, (finding) => found.push(finding));
  return found;
}

async function fileOf({ container }: OpenedArchive, path: string): Promise<string> {
  const entry = container.entries.get(path);
  if (entry === undefined) throw new Error(`${path} is missing.`);
  return new TextDecoder().decode(await readEntry(components, container, entry));
}

describe('continueArchive', () => {
  it('keeps history byte for byte, then the envelope before, then what was added', async () => {
    const first = await openArchive(components, await sealed());
    const { bytes, sealed: result } = await continued(first);
    const second = await openArchive(components, bytes, { strict: true });
    const lines = await fileOf(second, 'chain/events.jsonl');
    expect(lines.startsWith(await fileOf(first, 'chain/events.jsonl'))).toBe(true);
    expect(second.events.map(({ action }) => action)).toEqual([
      'approved',
      'read',
      'archive_continued',
      'noted',
    ]);
    const { envelope } = first;
    expect(second.events[2]).toMatchObject({
      seq: 3,
      event_id: 'evt_003',
      actor: 'system:host',
      kind: 'checkpoint',
      target: 'provenance/envelope.json',
      timestamp: LATER,
      payload: {
        capsule_id: envelope.capsule_id,
        entry_hash: envelope.entry_hash,
        manifest_hash: envelope.manifest_hash,
        content_index_hash: envelope.content_index_hash,
        signed_at: SEALED_AT,
        envelope,
      },
    });
    expect(result.capsuleId).toBe(envelope.capsule_id);
    expect(second.manifest).toMatchObject({
      originator: first.manifest.originator,
      skill_trust: { review: 'signed', 'notes.v2': 'unsigned' },
      created_at: SEALED_AT,
    });
    for (const path of first.container.entries.keys()) {
      if (path.startsWith('payload/') || path.startsWith('skills/') || path.endsWith('.md'))
        expect(await fileOf(second, path)).toBe(await fileOf(first, path));
    }
  });

  it('keeps every checkpoint and every hash when it is done again', async () => {
    const first = await openArchive(components, await sealed());
    const second = await openArchive(components, (await continued(first)).bytes);
    const third = await openArchive(components, (await continued(second, { events: [] })).bytes);
    const hashes = (events: ArchiveEvent[]) => events.map(({ hash }) => hash);
    expect(hashes(third.events).slice(0, 2)).toEqual(hashes(first.events));
    expect(hashes(third.events).slice(0, 4)).toEqual(hashes(second.events));
    const checkpoints = third.events.filter(({ kind }) => kind === 'checkpoint');
    expect(checkpoints.map(({ payload }) => payload?.envelope)).toEqual([first.envelope, second.envelope]);
    expect(await checked(third.events)).toEqual([]);
  });

  it('gives the same bytes again', async () => {
    const archive = await sealed();
    expect((await continued(archive)).bytes).toEqual((await continued(archive)).bytes);
  });

  it('records what was replaced, and adds files and participants', async () => {
    const first = await openArchive(components, await sealed());
    const hashOf = (path: string) =>
      first.manifest.content_index.files.find((file) => file.path === path)?.sha256;
    const { bytes } = await continued(first, {
      program: '# Program, second edition\n',
      agents: '# Agents\n',
      payload: [
        { path: 'report.txt', content: new TextEncoder().encode('another report') },
        { path: 'new.txt', content: new TextEncoder().encode('new') },
      ],
      participants: [{ actor_id: 'human:bob', label: 'Bob' }],
      events: [{ actor: 'human:bob', kind: 'mutation', action: 'edited', target: 'program.md' }],
    });
    const second = await openArchive(components, bytes, { strict: true });
    expect(await fileOf(second, 'program.md')).toBe('# Program, second edition\n');
    expect(await fileOf(second, 'payload/report.txt')).toBe('another report');
    expect(await fileOf(second, 'payload/new.txt')).toBe('new');
    expect(second.manifest.participants.map(({ actor_id: actor }) => actor)).toEqual([
      'human:alice',
      'ai:helper',
      'human:bob',
    ]);
    expect(second.events[2]?.payload?.replaced_files).toEqual([
      { path: 'payload/report.txt', sha256: hashOf('payload/report.txt') },
      { path: 'program.md', sha256: hashOf('program.md') },
    ]);
  });

  it('is a capsule of its own under another originator, who vouches for no skill yet', async () => {
    const first = await openArchive(components, await sealed());
    const { bytes } = await continued(first, note, { signers: [signerOf(bob)] });
    const second = await openArchive(components, bytes, { strict: true });
    expect(second.manifest.id).not.toBe(first.manifest.id);
    expect(second.manifest).toMatchObject({
      originator: { public_key: bob.identity },
      created_at: LATER,
      skill_trust: { review: 'unsigned', 'notes.v2': 'unsigned' },
    });
    expect(second.events[2]?.payload?.capsule_id).toBe(first.manifest.id);
  });

  it('prefers the originator there was among several', async () => {
    const first = await openArchive(components, await sealed());
    const signers = [signerOf(bob), signerOf(alice)];
    expect((await continued(first, note, { signers })).sealed.capsuleId).toBe(first.manifest.id);
  });

  it('stays encrypted, for the same recipients', async () => {
    const recipients = [recipientKeyOf(bob), recipientKeyOf(carol)];
    const archive = await sealed({}, { recipients });
    for (const named of [undefined, []]) {
      const options = named === undefined ? {} : { recipients: named };
      const { bytes } = await continued(archive, note, options, { recipientSecret: bob.seed });
      const second = await openArchive(components, bytes, { recipientSecret: carol.seed, strict: true });
      expect(second.decryption?.key_bundles.map((bundle) => bundle.recipient_public_key)).toEqual(recipients);
      expect(second.events).toHaveLength(4);
    }
  });

  it('is encrypted for others where they are named', async () => {
    const archive = await sealed({}, { recipients: [recipientKeyOf(bob)] });
    const options = { recipients: [recipientKeyOf(carol)] };
    const { bytes } = await continued(archive, note, options, { recipientSecret: bob.seed });
    await expect(openArchive(components, bytes, { recipientSecret: bob.seed })).rejects.toMatchObject({
      code: 'not_a_recipient',
    });
    const second = await openArchive(components, bytes, { recipientSecret: carol.seed });
    expect(second.events).toHaveLength(4);
  });

  it('keeps members of the manifest that it does not know, but no statement about former signers', async () => {
    const opened = await openArchive(components, await sealed());
    const manifest = { ...opened.manifest, 'x-case': { number: 7 }, signer_commitment: 'of others' };
    const { bytes } = await continued({ ...opened, manifest });
    const second = await openArchive(components, bytes);
    expect(second.manifest).toMatchObject({ 'x-case': { number: 7 } });
    expect(second.manifest).not.toHaveProperty('signer_commitment');
  });

  it('normalises what is added and leaves what is there', async () => {
    const summary = 'One. Two. Three. Four.';
    const event = { actor: 'human:alice', kind: 'observation', action: 'a', target: 'b' } as const;
    const archive = await sealed({ pith: false, events: [{ ...event, payload: { summary } }] });
    const { bytes } = await continued(archive, { events: [{ ...event, payload: { summary } }] });
    const { events } = await openArchive(components, bytes);
    expect(events[0]?.payload).toEqual({ summary });
    expect(events[2]?.payload).toEqual({ summary: 'One. Two. Three.' });
  });

  it.each<[string, ArchiveAdditions, RegExp]>([
    [
      'an actor who is nobody',
      { events: [{ actor: 'human:eve', kind: 'decision', action: 'a', target: 'b' }] },
      /human:eve.*no participant/,
    ],
    [
      'a participant who would change',
      { events: [], participants: [{ actor_id: 'human:alice', label: 'Mallory' }] },
      /there already/,
    ],
    ['a blank program', { events: [], program: ' \n' }, /program/],
    [
      'a file where there is a folder',
      { events: [], payload: [{ path: 'data', content: new Uint8Array() }] },
      /file and a folder/,
    ],
    [
      'a file whose name is there in another case',
      { events: [], payload: [{ path: 'DATA/other', content: new Uint8Array() }] },
      /"payload\/DATA" and "payload\/data" differ only in case/,
    ],
    [
      'a name that Windows cannot have',
      { events: [], payload: [{ path: 'nul', content: new Uint8Array() }] },
      /device/,
    ],
    [
      'one file twice',
      {
        events: [],
        payload: [
          { path: 'a', content: new Uint8Array() },
          { path: 'payload/a', content: new Uint8Array() },
        ],
      },
      /twice/,
    ],
  ])('refuses %s', async (_, additions, message) => {
    await expect(continued(await sealed(), additions)).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringMatching(message),
    });
  });

  it('refuses what was not verified', async () => {
    const opened = await openArchive(components, await sealed());
    const verification = { ...opened.verification, ok: false };
    await expect(continued({ ...opened, verification })).rejects.toMatchObject({
      code: 'unverified_archive',
    });
  });
});

describe('checkCheckpoints', () => {
  async function forged(change: (payload: JsonObject) => JsonObject) {
    const { events } = await openArchive(components, (await continued(await sealed())).bytes);
    const relinked = events.map((event) => {
      const { action = '', actor, kind, payload = {}, target = '', timestamp = LATER } = event;
      const changed = kind === 'checkpoint' ? change(payload) : payload;
      const { untrusted_payload_fields = [] } = event;
      return { action, actor, kind, payload: changed, target, timestamp, untrusted_payload_fields };
    });
    return checked(linkEvents(crypto, relinked));
  }
  const withEnvelope = (change: JsonObject) => (payload: JsonObject) => {
    const envelope = { ...(isObject(payload.envelope) && payload.envelope), ...change };
    const anchors = Object.keys(payload).filter((name) => Object.hasOwn(change, name));
    return {
      ...payload,
      ...Object.fromEntries(anchors.map((name) => [name, change[name] ?? null])),
      envelope,
    };
  };

  it('finds nothing where nothing was changed', async () => {
    expect(await forged((payload) => payload)).toEqual([]);
  });

  it.each<[string, (payload: JsonObject) => JsonObject, RegExp]>([
    ['another entry hash', withEnvelope({ entry_hash: GENESIS }), /entry_hash .* event before/],
    ['another first event', withEnvelope({ first_event_hash: GENESIS }), /first_event_hash .* first event/],
    ['another id', withEnvelope({ capsule_id: GENESIS }), /capsule_id .* does not follow/],
    ['another date', withEnvelope({ signed_at: LATER }), /signature 1 .* not valid/],
    [
      'an anchor that is not the envelope’s',
      (payload) => ({ ...payload, signed_at: LATER }),
      /signed_at is not/,
    ],
    ['an envelope without signers', withEnvelope({ signers: [] }), /malformed/],
    ['no envelope at all', (payload) => ({ ...payload, envelope: null }), /malformed/],
  ])('finds %s', async (_, change, message) => {
    const findings = await forged(change);
    expect(findings).toContainEqual({ area: 'chain', seq: 3, message: expect.stringMatching(message) });
  });

  it('finds a checkpoint that comes first', async () => {
    const { events } = await openArchive(components, (await continued(await sealed())).bytes);
    const findings = await checked(events.slice(2));
    expect(findings).toContainEqual(expect.objectContaining({ area: 'chain', seq: 1 }));
  });

  it('leaves other checkpoints alone', async () => {
    const event = { actor: 'human:alice', kind: 'checkpoint', action: 'saved', target: 'capsule' };
    const payload = { envelope: 'of a letter' };
    const full = { ...event, payload, timestamp: LATER, untrusted_payload_fields: [] };
    const events = linkEvents(crypto, [full]);
    expect(await checked(events)).toEqual([]);
  });

  it('is part of verification: an envelope put in by somebody else is a warning, and fails strictly', async () => {
    const other = await openArchive(components, await sealed({}, { signers: [signerOf(mallory)] }));
    const bytes = await sealed({
      events: [
        ...(draftOf().events ?? []),
        {
          actor: 'system:host',
          kind: 'checkpoint',
          action: 'archive_continued',
          target: 'provenance/envelope.json',
          payload: { envelope: { ...other.envelope, entry_hash: GENESIS } },
        },
      ],
    });
    const found = await verifyArchive(components, bytes);
    expect(found).toMatchObject({ ok: true, failing: [] });
    expect(found.warnings).toContainEqual(
      expect.objectContaining({ area: 'chain', seq: 3, message: expect.stringMatching(/^checkpoint: /) }),
    );
    const strictly = await verifyArchive(components, bytes, { strict: true });
    expect(strictly).toMatchObject({ ok: false, failing: ['chain'], findings: found.warnings, warnings: [] });
  });
});
