import { canonicalText } from '../../lib/canonical.ts';
import { checkOf } from '../../lib/check.ts';
import { HOST_ACTOR, type UnlinkedEvent } from '../chain.ts';
import { quoted } from '../findings.ts';
import { PATHS } from '../paths.ts';
import { isTimestamp, isUntrustedPath, programFields } from '../strict.ts';
import { type ArchiveDraft, EventDraft, type FileInput } from '../types.ts';
import { fileNameProblem } from '../zip/names.ts';
import { nameCollisions, portabilityProblem } from '../zip/portable-names.ts';
import { demandJson, demandParticipants, invalid, MAX_JSON_DEPTH } from './checks.ts';
import { pithPayload } from './pith.ts';

/* A draft and its parts, with every default written out. All throw `invalid_request`. */

const SKILL_ID = /^[A-Za-z0-9._-]+$/;
/**
 * The place of the encryption's metadata, which is no skill; folders that are others; a name that JSON readers refuse.
 * Compared without case, as some file systems do.
 */
const RESERVED_SKILLS: ReadonlySet<string> = new Set(['decryption', '.', '..', '__proto__']);
const TIERS: ReadonlySet<string> = new Set(['signed', 'unsigned']);

/** Made by every sealing. */
export const OWN_PATHS: ReadonlySet<string> = new Set([PATHS.manifest, PATHS.envelope, PATHS.chain]);

/** For an archive in which nothing was recorded: a chain has at least one event. */
const BACKSTOP: EventDraft = {
  actor: HOST_ACTOR,
  kind: 'observation',
  action: 'session_ended',
  target: 'capsule',
  payload: { note: 'Written by the host while sealing: no event had been recorded.' },
};

const encoder = new TextEncoder();

/**
 * A draft that was checked, with every default written out: `files` are all but the chain and the two documents about
 * it all. Fails closed: `invalid_request` with a sentence for whatever a strict reader would not take.
 */
export function completeDraft(draft: ArchiveDraft, sealedAt: string) {
  const { skills = [], payload = [], participants, originatorLabel = '' } = draft;
  demandParticipants(participants);
  demandJson("The originator's label", originatorLabel, 0);
  const files = [...textFiles(draft), ...skillFiles(skills), ...payloadFiles(payload)];
  demandExtractable(files);
  const drafts = draft.events?.length ? draft.events : [BACKSTOP];
  const events = completeEvents({ ...draft, events: drafts }, sealedAt);
  const skillTrust = Object.fromEntries(skills.map(({ id, tier }) => [id, tier]));
  return { files, events, participants, originatorLabel, skillTrust };
}

/** A Markdown document. Throws `invalid_request` for what is not text. */
function textFile(path: string, text: string): FileInput {
  if (!text.isWellFormed()) throw invalid(`${path} is not valid text: it holds a lone surrogate.`);
  return { path, content: encoder.encode(text) };
}

/** `program.md` and `agents.md`, as far as given. The former is the readable work surface, so that it may not be blank. */
export function textFiles(draft: Partial<Pick<ArchiveDraft, 'program' | 'agents'>>): FileInput[] {
  const { program, agents } = draft;
  if (program?.trim() === '') throw invalid('An archive needs a program: what program.md is to say.');
  const files = [];
  if (program !== undefined) files.push(textFile(PATHS.program, program));
  if (agents !== undefined) files.push(textFile(PATHS.agents, agents));
  return files;
}

/** Payload files under their full paths. Throws `invalid_request` for a path that readers refuse. */
export function payloadFiles(payload: readonly FileInput[]): FileInput[] {
  return payload.map(({ path: given, content }) => {
    const path = given.startsWith(PATHS.payload) ? given : PATHS.payload + given;
    const problem = fileNameProblem(path);
    if (problem !== null) throw invalid(`The payload path ${quoted(given)} ${problem}.`);
    return { path, content };
  });
}

/** `skill.json`, and SKILL.md where there are instructions. Throws `invalid_request`. */
function skillFiles(skills: NonNullable<ArchiveDraft['skills']>): FileInput[] {
  return skills.flatMap(({ id, tier, metadata, instructions }) => {
    if (!SKILL_ID.test(id) || RESERVED_SKILLS.has(id.toLowerCase()))
      throw invalid(`The skill id ${quoted(id)} is not allowed.`);
    if (!TIERS.has(tier)) throw invalid(`The skill ${id} has to be signed or unsigned.`);
    demandJson(`The metadata of the skill ${id}`, metadata, MAX_JSON_DEPTH);
    const [forbidden] = programFields(metadata);
    if (forbidden !== undefined)
      throw invalid(`The skill ${id} has the field ${forbidden}: a skill is instructions, never a program.`);
    const files = [textFile(`skills/${id}/skill.json`, canonicalText(metadata))];
    if (instructions !== undefined) files.push(textFile(`skills/${id}/SKILL.md`, instructions));
    return files;
  });
}

/**
 * No two files by one name, none where another one needs a folder, and none that cannot be extracted beside the others
 * on some system; of those that are `added`, none that Windows could not have either. Throws `invalid_request`.
 */
export function demandExtractable(added: readonly FileInput[], kept: readonly { path: string }[] = []): void {
  const paths = new Set<string>(OWN_PATHS);
  for (const { path } of [...kept, ...added]) {
    if (paths.has(path)) throw invalid(`The file ${quoted(path)} is there twice.`);
    paths.add(path);
  }
  for (const { path } of added) {
    const problem = portabilityProblem(path);
    if (problem !== null) throw invalid(`The path ${quoted(path)} ${problem}.`);
  }
  const [collision] = nameCollisions(paths);
  if (collision !== undefined)
    throw invalid(`${collision}: not every system can extract both, so that they are not sealed together.`);
}

const eventCheck = checkOf(EventDraft);
/** Untrusted unless the writer says otherwise (archive-v0.6 "Event chain"). */
const UNTRUSTED_BY_DEFAULT = ['summary', 'statement'] as const;

/** Events with everything but their place in a chain. Throws `invalid_request`. */
export function completeEvents(
  { events = [], participants, pith = true }: Pick<ArchiveDraft, 'events' | 'participants' | 'pith'>,
  sealedAt: string,
): UnlinkedEvent[] {
  const actors = new Set([HOST_ACTOR, ...participants.map(({ actor_id: actor }) => actor)]);
  return events.map((draft, index) => {
    demandEvent(draft, actors, `Event ${String(index + 1)}`);
    const { payload = {}, pith: own = true, ...event } = draft;
    const untrusted = UNTRUSTED_BY_DEFAULT.filter((name) => Object.hasOwn(payload, name));
    return {
      timestamp: sealedAt,
      untrusted_payload_fields: untrusted.map((name) => `payload.${name}`),
      ...event,
      payload: pith && own ? pithPayload(payload) : payload,
    };
  });
}

function demandEvent(event: EventDraft, actors: ReadonlySet<string>, subject: string): void {
  demandJson(subject, event, MAX_JSON_DEPTH);
  if (!eventCheck.accepts(event)) throw invalid(`${subject} is malformed: ${eventCheck.explain(event)}.`);
  const { actor, timestamp, untrusted_payload_fields: untrusted = [] } = event;
  if (!actors.has(actor))
    throw invalid(`${subject} is by ${quoted(actor)}, who is no participant and not ${HOST_ACTOR}.`);
  if (timestamp !== undefined && !isTimestamp(timestamp))
    throw invalid(`${subject} has the timestamp ${quoted(timestamp)}, not one like 2026-05-07T12:00:00Z.`);
  const path = untrusted.find((field) => !isUntrustedPath(field));
  if (path !== undefined)
    throw invalid(`${subject} marks ${quoted(path)} untrusted, which is no path like payload.summary.`);
}
