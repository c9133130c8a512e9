import { type ArchiveEvent, Envelope, type IndexedFile } from '../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { checkOf } from '../lib/check.ts';
import { isHex } from '../lib/hex.ts';
import { HOST_ACTOR, type UnlinkedEvent } from './chain.ts';
import { checkSigners, KEY_BYTES, ORIGINATOR } from './envelope.ts';
import { capsuleId } from './identity.ts';
import { PATHS } from './paths.ts';
import type { ArchiveComponents, Finding, OpenedArchive } from './types.ts';

const ACTION = 'archive_continued';
/** What a checkpoint repeats from the envelope that it keeps, where people and scripts find it at once. */
const ANCHORS = ['capsule_id', 'entry_hash', 'manifest_hash', 'content_index_hash', 'signed_at'] as const;

const envelopeCheck = checkOf(Envelope);

/**
 * The event that ends one sealing's history inside the next one's: the whole envelope of that sealing, so that its
 * anchors and signatures stay verifiable, and the former hashes of files that were `replaced` since.
 */
export function checkpointOf(
  { envelope }: Pick<OpenedArchive, 'envelope'>,
  { sealedAt, replaced }: { sealedAt: string; replaced: readonly IndexedFile[] },
): UnlinkedEvent {
  return {
    actor: HOST_ACTOR,
    kind: 'checkpoint',
    action: ACTION,
    target: PATHS.envelope,
    timestamp: sealedAt,
    payload: {
      ...Object.fromEntries(ANCHORS.map((name) => [name, envelope[name]])),
      envelope,
      ...(replaced.length > 0 && { replaced_files: [...replaced] }),
    },
    // Roles and dates in there are whatever an earlier writer made them.
    untrusted_payload_fields: ['payload.envelope', 'payload.signed_at'],
  };
}

/**
 * Every checkpoint of a chain against the events before it: the envelope it keeps has to be about exactly those, and
 * its signatures have to hold. Says nothing about who signed.
 */
export async function checkCheckpoints(
  components: ArchiveComponents,
  events: readonly ArchiveEvent[],
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [index, event] of events.entries()) {
    const { payload } = event;
    if (event.kind !== 'checkpoint' || event.action !== ACTION) continue;
    if (payload === undefined || !Object.hasOwn(payload, 'envelope')) continue;
    const problems = await checkpointProblems(components, payload, events[0], events[index - 1]);
    findings.push(
      ...problems.map((message) => ({
        area: 'chain' as const,
        seq: index + 1,
        message: `checkpoint: ${message}`,
      })),
    );
  }
  return findings;
}

async function checkpointProblems(
  components: ArchiveComponents,
  payload: JsonObject,
  first: ArchiveEvent | undefined,
  before: ArchiveEvent | undefined,
): Promise<string[]> {
  const { envelope } = payload;
  if (!envelopeCheck.accepts(envelope))
    return [`the envelope is malformed: ${envelopeCheck.explain(envelope)}`];
  const problems: string[] = [];
  for (const name of ANCHORS) {
    if (Object.hasOwn(payload, name) && payload[name] !== envelope[name])
      problems.push(`${name} is not that of its envelope`);
  }
  if (before === undefined || envelope.entry_hash !== before.hash)
    problems.push('entry_hash of its envelope is not the hash of the event before');
  if (before === undefined || envelope.first_event_hash !== first?.hash)
    problems.push('first_event_hash of its envelope is not the hash of the first event');
  if (!isOwnId(components, envelope))
    problems.push("capsule_id of its envelope does not follow from an originator's key and the first event");
  const { findings } = await checkSigners(components, envelope, envelope, new Set());
  return [...problems, ...findings.map(({ message }) => message)];
}

function isOwnId({ crypto }: ArchiveComponents, envelope: Envelope): boolean {
  return envelope.signers.some(
    ({ role, public_key: key }) =>
      role === ORIGINATOR &&
      isHex(key, KEY_BYTES) &&
      capsuleId(crypto, key, envelope.first_event_hash) === envelope.capsule_id,
  );
}
