import type { Participant } from '../../../protocols/archive/v1/schema.ts';
import { checkOf } from '../../lib/check.ts';
import { HOST_ACTOR, type UnlinkedEvent } from '../chain.ts';
import { quoted } from '../findings.ts';
import { isTimestamp, isUntrustedPath } from '../strict.ts';
import { EventDraft } from '../types.ts';
import { demandJson, invalid, MAX_JSON_DEPTH } from './checks.ts';
import { pithPayload } from './pith.ts';

const eventCheck = checkOf(EventDraft);
/** Untrusted unless the writer says otherwise (archive-v0.6 "Event chain"). */
const UNTRUSTED_BY_DEFAULT = ['summary', 'statement'] as const;

export interface EventContext {
  participants: readonly Participant[];
  sealedAt: string;
  pith: boolean;
}

/** Events with everything but their place in a chain. Throws `invalid_request`. */
export function completeEvents(
  drafts: readonly EventDraft[],
  { participants, sealedAt, pith }: EventContext,
): UnlinkedEvent[] {
  const actors = new Set([HOST_ACTOR, ...participants.map(({ actor_id: actor }) => actor)]);
  return drafts.map((draft, index) => {
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

function demandEvent(event: EventDraft, actors: ReadonlySet<string>, subject: string): void {
  demandJson(subject, event, MAX_JSON_DEPTH);
  if (!eventCheck.accepts(event)) throw invalid(`${subject} is malformed: ${eventCheck.explain(event)}.`);
  const { actor, timestamp, untrusted_payload_fields: untrusted = [] } = event;
  if (!actors.has(actor))
    throw invalid(`${subject} is by ${quoted(actor)}, who is no participant and not ${HOST_ACTOR}.`);
  if (timestamp !== undefined && !isTimestamp(timestamp))
    throw invalid(
      `${subject} has the timestamp ${quoted(timestamp)}, which is not like 2026-05-07T12:00:00Z.`,
    );
  const path = untrusted.find((field) => !isUntrustedPath(field));
  if (path !== undefined)
    throw invalid(`${subject} marks ${quoted(path)} untrusted, which is no path like payload.summary.`);
}
