import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EVENT_KINDS } from '../../../protocols/archive/v1/schema.ts';
import { nodeArchiveCrypto as crypto } from '../../../src/archive/crypto/node-crypto.ts';
import { openArchive } from '../../../src/archive/open-verified.ts';
import { continueArchive } from '../../../src/archive/seal/continue.ts';
import { sealToBytes } from '../../../src/archive/seal/seal.ts';
import type { ArchiveDraft, EventDraft, SealOptions } from '../../../src/archive/types.ts';
import { verifyArchive } from '../../../src/archive/verify.ts';
import { alice, bob, carol } from '../../support/keys.ts';
import { recipientKeyOf, sealing, signerOf } from '../../support/sealing.ts';

const components = { crypto };

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 });
/** A name that nothing reads as a prototype. */
const segment = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/).filter((name) => name !== '__proto__');
const time = fc
  .date({ min: new Date(0), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true })
  .map((date) => date.toISOString().replace(/\.\d{3}Z$/, 'Z'));
const isExact = (value: unknown): boolean =>
  typeof value === 'number'
    ? !Number.isInteger(value) || Number.isSafeInteger(value) || Math.abs(value) >= 1e21
    : typeof value !== 'object' || value === null || Object.values(value).every(isExact);
const json = fc
  .jsonValue({ maxDepth: 4, stringUnit: 'grapheme' })
  .filter((value) => !JSON.stringify(value).includes('__proto__'))
  .map((value) => JSON.parse(JSON.stringify(value)))
  .filter(isExact);
const payload = fc.dictionary(segment, json, { maxKeys: 5 });
const actors = fc.uniqueArray(
  fc
    .tuple(fc.constantFrom('human', 'ai', 'system', 'capsule'), text)
    .map(([kind, name]) => `${kind}:${name}`),
  { minLength: 1, maxLength: 4 },
);

function eventsBy(names: string[]): fc.Arbitrary<EventDraft[]> {
  const event = fc.record(
    {
      actor: fc.constantFrom('system:host', ...names),
      kind: fc.constantFrom(...EVENT_KINDS),
      action: text,
      target: text,
      timestamp: time,
      payload,
      untrusted_payload_fields: fc.array(
        segment.map((name) => `payload.${name}`),
        { maxLength: 2 },
      ),
      event_id: text,
    },
    { requiredKeys: ['actor', 'kind', 'action', 'target'] },
  );
  return fc.array(event, { maxLength: 6 });
}

const drafts: fc.Arbitrary<ArchiveDraft> = actors.chain((names) =>
  fc.record(
    {
      program: text.map((line) => `# ${line}`),
      agents: text,
      originatorLabel: text,
      pith: fc.boolean(),
      participants: fc.constant(names.map((actor_id) => ({ actor_id, label: actor_id }))),
      events: eventsBy(names),
      skills: fc.uniqueArray(
        fc.record({
          id: fc.stringMatching(/^s(?:[A-Za-z0-9._-]{0,11}[A-Za-z0-9_-])?$/),
          tier: fc.constantFrom('signed' as const, 'unsigned' as const),
          metadata: fc.dictionary(
            segment.map((name) => `x${name}`),
            json,
            { maxKeys: 3 },
          ),
          instructions: text,
        }),
        { selector: ({ id }) => id.toLowerCase(), maxLength: 3 },
      ),
      payload: fc.uniqueArray(
        fc.record({ path: segment.map((name) => `f-${name}`), content: fc.uint8Array({ maxLength: 2_000 }) }),
        { selector: ({ path }) => path.toLowerCase(), maxLength: 5 },
      ),
    },
    { requiredKeys: ['program', 'participants'] },
  ),
);

const signings: fc.Arbitrary<Partial<SealOptions>> = fc
  .record({
    others: fc.uniqueArray(text, { maxLength: 3 }),
    recipients: fc.subarray([bob, carol].map(recipientKeyOf)),
    sealedAt: time,
  })
  .map(({ others, ...options }) => ({
    ...options,
    signers: [
      signerOf(alice),
      ...others.filter((role) => role !== 'originator').map((role) => signerOf(bob, role)),
    ],
  }));

/** The same value with the members of every object the other way round. */
function reordered<T>(value: T): T;
function reordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reordered);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  const members = Object.entries(value).map(([name, member]) => [name, reordered(member)]);
  return Object.fromEntries(members.reverse());
}

describe('any draft', () => {
  it('gives the same bytes in whatever order its members are, and its files', async () => {
    await fc.assert(
      fc.asyncProperty(drafts, time, async (draft, sealedAt) => {
        const { payload: files = [], skills = [] } = draft;
        const other = reordered({ ...draft, payload: files.toReversed(), skills: skills.toReversed() });
        const options = sealing({ sealedAt });
        const { bytes } = await sealToBytes(components, draft, options);
        expect((await sealToBytes(components, other, options)).bytes).toEqual(bytes);
      }),
      { numRuns: 60 },
    );
  });

  it('seals to an archive that verifies strictly, and continues to one that does', async () => {
    await fc.assert(
      fc.asyncProperty(drafts, signings, async (draft, options) => {
        const { bytes, sealed } = await sealToBytes(components, draft, sealing(options));
        expect(bytes).toHaveLength(sealed.size);
        const [recipient] = [bob, carol].filter((key) => options.recipients?.includes(recipientKeyOf(key)));
        const opening = { strict: true, ...(recipient && { recipientSecret: recipient.seed }) };
        const opened = await openArchive(components, bytes, opening);
        expect(opened.verification.warnings).toEqual([]);
        const chunks: Uint8Array[] = [];
        await continueArchive(
          components,
          opened,
          { events: draft.events ?? [] },
          sealing(options),
          (chunk) => {
            chunks.push(Uint8Array.from(chunk));
          },
        );
        const again = await verifyArchive(components, new Uint8Array(Buffer.concat(chunks)), opening);
        expect(again.findings).toEqual([]);
        expect(again.events.slice(0, opened.events.length)).toEqual(opened.events);
      }),
      { numRuns: 60 },
    );
  });
});
