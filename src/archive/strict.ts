import { type Envelope, FORBIDDEN_SKILL_FIELDS, Manifest } from '../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import type { ReadEvent } from './chain.ts';
import { quoted, type Report } from './findings.ts';
import type { Area } from './types.ts';

const ACTOR = /^(?:human|ai|system|capsule):.+$/s;
/** RFC 3339. */
const INSTANT =
  /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;
/** Days that every month has. */
const SHORTEST_MONTH = 28;
const TIMESTAMP_CHARS = '2026-05-07T12:00:00Z'.length;
/** `payload` and then at least one segment; anything else marks nothing that a reader could find. */
const UNTRUSTED_PATH = /^payload(?:\.[A-Za-z0-9_-]+)+$/;
const MANIFEST_FIELDS: ReadonlySet<string> = new Set(Object.keys(Manifest.properties));

export const isActor = (text: string): boolean => ACTOR.test(text);
export const isUntrustedPath = (text: string): boolean => UNTRUSTED_PATH.test(text);

/** A time as archives write it: ISO 8601 in UTC, whole seconds. Throws RangeError for what no date holds. */
export const timestampOf = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

/** ISO 8601 in UTC, whole seconds, of a day that exists. */
export const isTimestamp = (text: string): boolean =>
  text.length === TIMESTAMP_CHARS && text.endsWith('Z') && isInstant(text);

/** Milliseconds since the epoch of an RFC 3339 instant; null for anything else, a day that does not exist included. */
export function parseInstant(text: string): number | null {
  const time = isInstant(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? null : time;
}

function isInstant(text: string): boolean {
  const [, year, month, day] = INSTANT.exec(text) ?? [];
  if (day === undefined) return false;
  // The day before the first of the next month.
  return (
    Number(day) <= SHORTEST_MONTH ||
    Number(day) <= new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()
  );
}

/** What the format text demands of a manifest and an envelope, and the mathematics does not. */
export function strictDocuments(manifest: Manifest, envelope: Envelope, report: Report): void {
  const fail = (area: Area, message: string) => report({ area, message });
  for (const name of Object.keys(manifest)) {
    if (!MANIFEST_FIELDS.has(name)) fail('layout', `manifest.json has the unknown field ${quoted(name)}`);
  }
  for (const { actor_id: actor } of manifest.participants) {
    if (!isActor(actor))
      fail('layout', `participant ${quoted(actor)} is not human:, ai:, system: or capsule:`);
  }
  if (manifest.created_at !== undefined && !isTimestamp(manifest.created_at))
    fail('layout', 'manifest.created_at is not ISO 8601 UTC in whole seconds');
  if (!isTimestamp(envelope.signed_at)) fail('envelope', 'signed_at is not ISO 8601 UTC in whole seconds');
}

/** The same of events. */
export function strictEvents(events: readonly ReadEvent[], report: Report): void {
  for (const { line, event } of events) {
    const fail = (message: string) => report({ area: 'chain', seq: line, message });
    if (!isActor(event.actor)) fail(`actor ${quoted(event.actor)} is not human:, ai:, system: or capsule:`);
    for (const name of ['event_id', 'action', 'target', 'timestamp', 'payload'] as const) {
      if (event[name] === undefined) fail(`${name} is missing`);
    }
    if (event.timestamp !== undefined && !isTimestamp(event.timestamp))
      fail('timestamp is not ISO 8601 UTC in whole seconds');
    const path = event.untrusted_payload_fields?.find((field) => !isUntrustedPath(field));
    if (path !== undefined) fail(`untrusted_payload_fields has ${quoted(path)}, which is no path`);
  }
}

/** Fields by which a skill would be a program; skills are instructions (archive-v0.6 "Manifest"). */
export function programFields(metadata: JsonObject): string[] {
  return FORBIDDEN_SKILL_FIELDS.filter((name) => Object.hasOwn(metadata, name));
}
