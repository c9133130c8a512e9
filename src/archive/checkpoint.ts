import {
  ARCHIVE_VERSION,
  type ArchiveEvent,
  Envelope,
  type IndexedFile,
} from '../../protocols/archive/v1/schema.ts';
import type { JsonObject, JsonValue } from '../../protocols/common/v1/schema.ts';
import { checkOf } from '../lib/check.ts';
import { isHex } from '../lib/hex.ts';
import { isObject } from '../lib/json.ts';
import { capsuleId } from './canonical.ts';
import { HOST_ACTOR, type ReadEvent, type UnlinkedEvent } from './chain.ts';
import { checkSigners, KEY_BYTES, ORIGINATOR } from './envelope.ts';
import type { Report } from './findings.ts';
import { PATHS } from './paths.ts';
import { paceOf } from './pause.ts';
import type { ArchiveComponents, OpenedArchive } from './types.ts';

const ACTION = 'archive_continued';
/** What a checkpoint repeats from the envelope that it keeps, where people and scripts find it at once. */
const ANCHORS = ['capsule_id', 'entry_hash', 'manifest_hash', 'content_index_hash', 'signed_at'] as const;

/** Of all checkpoints together: thousands of sealings, and ten seconds at the worst where all is JavaScript. */
export const MAX_CHECKPOINT_SIGNATURES = 10_000;

/** A signature takes as long as hashing so much. */
const SIGNATURE_COST_BYTES = 65_536;

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

/** How many signatures the checkpoints of a chain keep, whatever they are worth. */
export function keptSignatures(events: readonly ArchiveEvent[]): number {
  let count = 0;
  for (const event of events) {
    const envelope = keptEnvelope(event);
    if (isObject(envelope) && Array.isArray(envelope.signers)) count += envelope.signers.length;
  }
  return count;
}

/**
 * Every checkpoint of a chain against the events before it: the envelope it keeps should be about exactly those, and
 * its signatures should hold. The format gives no rule about what a checkpoint holds. Says nothing about who signed.
 */
export async function checkCheckpoints(
  components: ArchiveComponents,
  events: readonly ReadEvent[],
  report: Report,
  signal?: AbortSignal,
): Promise<void> {
  if (keptSignatures(events.map(({ event }) => event)) > MAX_CHECKPOINT_SIGNATURES) {
    const limit = String(MAX_CHECKPOINT_SIGNATURES);
    const message = `the checkpoints keep more than ${limit} signatures: none was checked`;
    return report({ area: 'chain', message });
  }
  const pace = paceOf(signal);
  for (const [index, { line, event }] of events.entries()) {
    if (keptEnvelope(event) === undefined) continue;
    await pace(keptSignatures([event]) * SIGNATURE_COST_BYTES);
    const [first, before] = [events[0]?.event, events[index - 1]?.event];
    const problems = await problemsOf(components, event.payload ?? {}, first, before);
    for (const problem of problems) report({ area: 'chain', seq: line, message: `checkpoint: ${problem}` });
  }
}

/** What an event keeps as the envelope of a sealing before; undefined where it is no checkpoint of that kind. */
function keptEnvelope({ kind, action, payload }: ArchiveEvent): JsonValue | undefined {
  return kind === 'checkpoint' && action === ACTION ? payload?.envelope : undefined;
}

async function problemsOf(
  components: ArchiveComponents,
  payload: JsonObject,
  first: ArchiveEvent | undefined,
  before: ArchiveEvent | undefined,
): Promise<string[]> {
  const { envelope } = payload;
  if (!envelopeCheck.accepts(envelope))
    return [`the envelope is malformed: ${envelopeCheck.explain(envelope)}`];
  const problems: string[] = [];
  if (envelope.version !== ARCHIVE_VERSION) problems.push('its envelope is of another version');
  for (const name of ANCHORS) {
    if (Object.hasOwn(payload, name) && payload[name] !== envelope[name])
      problems.push(`${name} is not that of its envelope`);
  }
  if (before === undefined || envelope.entry_hash !== before.hash)
    problems.push('entry_hash of its envelope is not the hash of the event before');
  if (before === undefined || envelope.first_event_hash !== first?.hash)
    problems.push('first_event_hash of its envelope is not the hash of the first event');
  const isOwnId = envelope.signers.some(
    ({ role, public_key: key }) =>
      role === ORIGINATOR &&
      isHex(key, KEY_BYTES) &&
      capsuleId(components.crypto, key, envelope.first_event_hash) === envelope.capsule_id,
  );
  if (!isOwnId)
    problems.push("capsule_id of its envelope does not follow from an originator's key and the first event");
  await checkSigners(components, envelope, new Set(), ({ message }) => problems.push(message));
  return problems;
}
