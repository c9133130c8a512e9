import type { ArchiveEvent } from '../../../protocols/archive/v1/schema.ts';
import type { JsonObject, JsonValue } from '../../../protocols/common/v1/schema.ts';
import type { VerifiedFiles } from '../open-verified.ts';
import { PATHS } from '../paths.ts';
import { isUntrustedPath } from '../strict.ts';
import type { OpenedArchive } from '../types.ts';
import type { Block } from './fence.ts';
import { linesOf, type RecordLine, recordLine } from './text.ts';

/** What a projection is made of. */
export interface Projected {
  opened: OpenedArchive;
  files: VerifiedFiles;
  /** What there is room for at all; no more of anything is kept. */
  maxChars: number;
  signal: AbortSignal | undefined;
}

const WHOLE_PAYLOAD = 'payload';

/**
 * The beginning of a file in lines; null for one that is not both in the archive and in its content index. Throws
 * `unverified_archive` where it changed since it was verified.
 */
export async function excerptOf(
  { files, maxChars, signal }: Projected,
  path: string,
): Promise<{ lines: string[]; complete: boolean; bytes: number } | null> {
  if (!files.has(path)) return null;
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let [text, bytes] = ['', 0];
  const keep = (chunk: Uint8Array) => {
    bytes += chunk.length;
    if (text.length <= maxChars) text += decoder.decode(chunk, { stream: true });
  };
  await files.stream(path, keep, signal);
  if (text.length <= maxChars) text += decoder.decode();
  return { lines: linesOf(text.slice(0, maxChars)), complete: text.length <= maxChars, bytes };
}

/** A Markdown file of the archive; null where there is none. */
export async function textBlock(
  projected: Projected,
  path: 'program.md' | 'agents.md',
  weight: number,
): Promise<Block | null> {
  const excerpt = await excerptOf(projected, path);
  if (excerpt === null) return null;
  const note = () => `The rest of ${path} is left out; it has ${String(excerpt.bytes)} bytes in all.`;
  const unmade = excerpt.complete ? 0 : 1;
  return { label: path, source: path, lines: excerpt.lines, note, unmade, weight };
}

/** Names that people and programs gave themselves: originator, participants, roles of signers. */
export function peopleBlock({ opened: { manifest, verification }, maxChars }: Projected): Block {
  const names = [
    { originator: manifest.originator.label ?? null },
    ...manifest.participants.map(({ actor_id, role, label }) => ({ participant: actor_id, role, label })),
    ...verification.signers.map(({ public_key, role }) => ({ signer: public_key, role })),
  ];
  const made = recordsOf(names, maxChars, (name) => name);
  const head = { label: 'names that the authors gave', source: PATHS.manifest };
  return recordBlock(head, { made, count: names.length, what: 'names are left out' });
}

/** Every indexed file by path, size and hash: inert evidence, of which nothing is opened. */
export function filesBlock({ opened: { manifest, container }, maxChars }: Projected): Block {
  const { files } = manifest.content_index;
  const made = recordsOf(files, maxChars, ({ path, sha256 }) => {
    return { path, size: container.entries.get(path)?.size ?? null, sha256 };
  });
  const head = { label: 'list of files', source: 'content_index' };
  return recordBlock(head, { made, count: files.length, what: 'files are left out' });
}

/**
 * The chain as quoted records, oldest first. Actor, action, target and the rest are the author's words as much as the
 * payload is, so the whole of each record is quoted. Of a chain that has no room, only its two ends are made.
 */
export function eventsBlock({ opened: { events }, maxChars }: Projected): Block {
  const first = recordsOf(events, maxChars / 4, eventRecord);
  const last = recordsOf(events.slice(first.length).reverse(), maxChars, eventRecord);
  const made = [...first, ...last.reverse()];
  const head = { label: 'events of the chain', source: PATHS.chain };
  const block = recordBlock(head, { made, count: events.length, what: 'events are left out here' });
  return { ...block, keep: 'ends', weight: 4 };
}

/** Records of as many of the values, from the first on, as there could be room for. */
function recordsOf<T>(values: readonly T[], maxChars: number, told: (value: T) => object): RecordLine[] {
  const made: RecordLine[] = [];
  let size = 0;
  for (const value of values) {
    if (size >= maxChars) break;
    const record = recordLine(told(value));
    made.push(record);
    size += record.line.length;
  }
  return made;
}

function recordBlock(
  head: Pick<Block, 'label' | 'source'>,
  { made, count, what }: { made: readonly RecordLine[]; count: number; what: string },
): Block {
  return {
    ...head,
    lines: made.map(({ line }) => line),
    note: (missing) => `${String(missing)} of ${String(count)} ${what}.`,
    unmade: count - made.length,
    cut: made.some(({ cut }) => cut),
  };
}

function eventRecord(event: ArchiveEvent): object {
  const { seq, event_id, actor, kind, action, target, timestamp, payload = {} } = event;
  const untrusted = untrustedFields(payload, event.untrusted_payload_fields ?? []);
  return { seq, event_id, actor, kind, action, target, timestamp, untrusted, payload };
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
