import { Type } from 'typebox';
import { EVENT_KINDS, Participant } from '../../../../protocols/archive/v1/schema.ts';
import type { JsonValue } from '../../../../protocols/common/v1/schema.ts';
import { HOST_ACTOR } from '../../../archive/chain.ts';
import { EVENT_LIMITS, MAX_CHAIN_BYTES } from '../../../archive/documents.ts';
import { isActor, isTimestamp, timestampOf } from '../../../archive/strict.ts';
import type { EventDraft } from '../../../archive/types.ts';
import { checkOf } from '../../../lib/check.ts';
import { systemClock } from '../../../lib/clock.ts';
import { parseJson } from '../../../lib/json.ts';
import type { Cli } from '../../cli.ts';
import { usage } from '../../failure.ts';
import { readJsonOption, readText, shaped, within } from '../../files.ts';

/** What says where an event belongs; sealing checks the rest of `EventDraft`, and that there is nothing else. */
const EventJson = Type.Object({
  actor: Type.Optional(Type.String()),
  kind: Type.Union(EVENT_KINDS.map((kind) => Type.Literal(kind))),
  action: Type.String(),
  target: Type.String(),
});
/** Bytes of a document that a model or a person reads; far above what anybody does. */
export const TEXT_BYTES = 16_777_216;

const ParticipantJson = Type.Object(Participant.properties, { additionalProperties: false });

const eventCheck = checkOf(EventJson);
const participantCheck = checkOf(ParticipantJson);

const listed = (value: JsonValue): JsonValue[] => (Array.isArray(value) ? value : [value]);

/** An event, with the actor who is meant where it names none. */
function eventOf(subject: string, value: JsonValue, actor: string | undefined): EventDraft {
  const event = shaped(eventCheck, `${subject} is not valid`, value);
  const who = event.actor ?? actor;
  if (who === undefined) throw usage(`${subject} is not valid: it lacks "actor".`);
  return { ...event, actor: actorId(who) };
}

/** Events of `--event`, each one or a list. Throws `usage` and `invalid_json`. */
export async function readEvents(
  cli: Cli,
  values: readonly string[] = [],
  actor?: string,
): Promise<EventDraft[]> {
  const events: EventDraft[] = [];
  for (const value of values) {
    const read = listed(await readJsonOption(cli.io, '--event', value));
    events.push(...read.map((each) => eventOf('The event of --event', each, actor)));
  }
  return events;
}

/** Events of a folder's `events.json` or `events.jsonl`. Throws as `readEvents` does. */
export async function readEventFile(cli: Cli, file: string, actor: string): Promise<EventDraft[]> {
  const text = await readText(cli.io, file, MAX_CHAIN_BYTES);
  const parse = (json: string) => parseJson(json, { ...EVENT_LIMITS, maxBytes: MAX_CHAIN_BYTES });
  if (!file.endsWith('.jsonl')) {
    const list = listed(within(file, () => parse(text)));
    return list.map((each, index) => eventOf(`Event ${String(index + 1)} of ${file}`, each, actor));
  }
  return text.split('\n').flatMap((line, index) => {
    const subject = `Line ${String(index + 1)} of ${file}`;
    return line.trim() === ''
      ? []
      : [
          eventOf(
            subject,
            within(subject, () => parse(line)),
            actor,
          ),
        ];
  });
}

export async function readParticipants(cli: Cli, values: readonly string[] = []): Promise<Participant[]> {
  const participants: Participant[] = [];
  for (const value of values) {
    const read = listed(await readJsonOption(cli.io, '--participant', value));
    participants.push(
      ...read.map((each) => shaped(participantCheck, 'The participant of --participant is not valid', each)),
    );
  }
  return participants;
}

/** Throws `usage` where it is none. */
export function actorId(text: string): string {
  if (isActor(text)) return text;
  throw usage(`"${text}" is not an actor such as human:alice, ai:gemma, system:build or capsule:ID.`);
}

/** Who acts in the events and is no participant yet joins as contributor, and that is said. */
export function actingParticipants(
  cli: Cli,
  events: readonly EventDraft[],
  present: readonly Participant[],
): Participant[] {
  const known = new Set([HOST_ACTOR, ...present.map(({ actor_id: actor }) => actor)]);
  const added = [...new Set(events.map(({ actor }) => actor))].filter((actor) => !known.has(actor));
  for (const actor of added) cli.note(`${actor} joins the participants as contributor.`);
  return added.map((actor) => ({ actor_id: actor, role: 'contributor' }));
}

/** The sealing time: what was given, or now, in whole seconds. Throws `usage`. */
export function sealingTime(at: string | undefined): string {
  if (at === undefined) return timestampOf(systemClock.now());
  if (isTimestamp(at)) return at;
  throw usage(`"${at}" is not a time in UTC and whole seconds, such as 2026-01-31T12:00:00Z.`);
}
