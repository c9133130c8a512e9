import type { ArchiveEvent } from '../../../protocols/archive/v1/schema.ts';
import type { JsonObject, JsonValue } from '../../../protocols/common/v1/schema.ts';
import { isUntrustedPath } from '../strict.ts';
import type { Block } from './fence.ts';
import { type RecordLine, recordLine } from './text.ts';

const WHOLE_PAYLOAD = 'payload';

/**
 * The chain as quoted records, oldest first. Actor, action, target and the rest are the author's words as much as the
 * payload is, so the whole of each record is quoted. Of a chain that has no room, only its two ends are made.
 */
export function eventsBlock(events: readonly ArchiveEvent[], maxChars: number): Block {
  const first: RecordLine[] = [];
  const last: RecordLine[] = [];
  let size = 0;
  while (first.length < events.length && size < maxChars / 4) {
    const made = eventLine(events[first.length]);
    first.push(made);
    size += made.line.length;
  }
  size = 0;
  while (first.length + last.length < events.length && size < maxChars) {
    const made = eventLine(events[events.length - 1 - last.length]);
    last.push(made);
    size += made.line.length;
  }
  const shown = [...first, ...last.reverse()];
  return {
    frame: 'quoted',
    label: 'events of the chain',
    source: 'chain/events.jsonl',
    lines: shown.map(({ line }) => line),
    keep: 'ends',
    note: (missing) => `${String(missing)} of ${String(events.length)} events are left out here.`,
    unmade: events.length - shown.length,
    cut: shown.some(({ cut }) => cut),
    weight: 4,
  };
}

function eventLine(event: ArchiveEvent | undefined): RecordLine {
  if (event === undefined) return { line: '', cut: false };
  const { seq, event_id, actor, kind, action, target, timestamp, payload = {} } = event;
  const untrusted = untrustedFields(payload, event.untrusted_payload_fields ?? []);
  return recordLine({ seq, event_id, actor, kind, action, target, timestamp, untrusted, payload });
}

/** The marked fields; all of the payload where a mark is no path or leads nowhere (archive-v0.6 "Hydration"). */
export function untrustedFields(payload: JsonObject, marked: readonly string[]): string[] {
  return marked.every((path) => isUntrustedPath(path) && leadsSomewhere(payload, path))
    ? [...marked]
    : [WHOLE_PAYLOAD];
}

function leadsSomewhere(payload: JsonObject, path: string): boolean {
  let value: JsonValue = payload;
  for (const name of path.split('.').slice(1)) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return false;
    const member: JsonValue | undefined = Array.isArray(value) ? value[Number(name)] : value[name];
    if (member === undefined) return false;
    value = member;
  }
  return true;
}
