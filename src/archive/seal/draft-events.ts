import { type Static, Type } from 'typebox';
import { EVENT_KINDS } from '../../../protocols/archive/v1/schema.ts';
import { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { checkOf } from '../../lib/check.ts';
import { HOST_ACTOR, type UnlinkedEvent } from '../chain.ts';
import { quoted } from '../findings.ts';
import { isTimestamp, isUntrustedPath } from '../strict.ts';
import type { EventDraft } from '../types.ts';
import { demandJson, invalid, MAX_JSON_DEPTH } from './draft-checks.ts';
import { pithPayload } from './pith.ts';

const Text = Type.String({ minLength: 1 });

/** An event as a caller writes it, maybe as JSON by hand: what is misspelt is refused, not dropped. */
const DraftedEvent = Type.Object(
  {
    actor: Text,
    kind: Type.Union(EVENT_KINDS.map((kind) => Type.Literal(kind))),
    action: Text,
    target: Text,
    timestamp: Type.Optional(Type.String()),
    payload: Type.Optional(JsonObject),
    untrusted_payload_fields: Type.Optional(Type.Array(Type.String())),
    event_id: Type.Optional(Text),
    /** False leaves this event's narrative fields as written. */
    pith: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);
type DraftedEvent = Static<typeof DraftedEvent>;

const eventCheck = checkOf(DraftedEvent);
/** Untrusted unless the writer says otherwise (archive-v0.6 "Event chain"). */
const UNTRUSTED_BY_DEFAULT = ['summary', 'statement'] as const;

export interface EventContext {
  /** Actor ids of the participants. */
  actors: ReadonlySet<string>;
  sealedAt: string;
  pith: boolean;
}

/** Events with everything but their place in a chain. Throws `invalid_request`. */
export function completeEvents(
  drafts: readonly EventDraft[],
  { actors, sealedAt, pith }: EventContext,
): UnlinkedEvent[] {
  return drafts.map((draft, index) => {
    const {
      payload = {},
      pith: own = true,
      ...event
    } = demandEvent(draft, actors, `Event ${String(index + 1)}`);
    const untrusted = UNTRUSTED_BY_DEFAULT.filter((name) => Object.hasOwn(payload, name));
    return {
      timestamp: sealedAt,
      untrusted_payload_fields: untrusted.map((name) => `payload.${name}`),
      ...event,
      payload: pith && own ? pithPayload(payload) : payload,
    };
  });
}

/** For an archive in which nothing was recorded: a chain has at least one event. */
export function backstopEvent(sealedAt: string): UnlinkedEvent {
  return {
    actor: HOST_ACTOR,
    kind: 'observation',
    action: 'session_ended',
    target: 'capsule',
    timestamp: sealedAt,
    payload: { note: 'Written by the host while sealing: no event had been recorded.' },
    untrusted_payload_fields: [],
  };
}

function demandEvent(draft: EventDraft, actors: ReadonlySet<string>, subject: string): DraftedEvent {
  demandJson(subject, draft, MAX_JSON_DEPTH);
  const event: unknown = draft;
  if (!eventCheck.accepts(event)) throw invalid(`${subject} is malformed: ${eventCheck.explain(event)}.`);
  const { actor, timestamp, untrusted_payload_fields: untrusted = [] } = event;
  if (actor !== HOST_ACTOR && !actors.has(actor))
    throw invalid(`${subject} is by ${quoted(actor)}, who is no participant and not ${HOST_ACTOR}.`);
  if (timestamp !== undefined && !isTimestamp(timestamp))
    throw invalid(
      `${subject} has the timestamp ${quoted(timestamp)}, which is not like 2026-05-07T12:00:00Z.`,
    );
  const path = untrusted.find((field) => !isUntrustedPath(field));
  if (path !== undefined)
    throw invalid(`${subject} marks ${quoted(path)} untrusted, which is no path like payload.summary.`);
  return event;
}
