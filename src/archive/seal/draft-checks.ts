import { Participant } from '../../../protocols/archive/v1/schema.ts';
import { checkOf } from '../../lib/check.ts';
import { MeshError } from '../../lib/errors.ts';
import { describeProblem, jsonProblem } from '../../lib/json.ts';
import { findUnsafeInteger } from '../../lib/json-numbers.ts';
import { quoted } from '../findings.ts';
import { isActor } from '../strict.ts';

/** Objects inside each other in any document of an archive; what readers take. */
export const MAX_JSON_DEPTH = 64;
/** Above a participant in the manifest: the manifest and the list. */
const MANIFEST_LEVELS = 2;

const participantCheck = checkOf(Participant);

/** Refuses a draft: nothing is written that a reader would not take. */
export const invalid = (message: string) => new MeshError('invalid_request', message);

/**
 * Throws `invalid_request` for what is not I-JSON of bounded depth, and for integers that a double does not hold
 * exactly: readers that have larger ones would hash another number (RFC 7493, 2.2).
 */
export function demandJson(subject: string, value: unknown, depth: number): void {
  const found = jsonProblem(value, depth);
  if (found !== null) throw invalid(describeProblem(subject, found));
  const inexact = findUnsafeInteger(value);
  if (inexact !== null)
    throw invalid(`${subject} has the integer ${String(inexact)}, which not every reader knows exactly.`);
}

/**
 * Participants of a draft: at least one, each with an actor id `human:…`, `ai:…`, `system:…` or `capsule:…`, none
 * twice. Throws `invalid_request`.
 */
export function demandParticipants(participants: readonly Participant[]): void {
  if (participants.length === 0) throw invalid('An archive has at least one participant.');
  const seen = new Set<string>();
  for (const [index, participant] of participants.entries()) {
    const subject = `Participant ${String(index + 1)}`;
    demandJson(subject, participant, MAX_JSON_DEPTH - MANIFEST_LEVELS);
    if (!participantCheck.accepts(participant))
      throw invalid(`${subject} is malformed: ${participantCheck.explain(participant)}.`);
    const { actor_id: actor } = participant;
    if (!isActor(actor))
      throw invalid(`The actor id ${quoted(actor)} is not human:…, ai:…, system:… or capsule:….`);
    if (seen.has(actor)) throw invalid(`The participant ${quoted(actor)} is there twice.`);
    seen.add(actor);
  }
}
