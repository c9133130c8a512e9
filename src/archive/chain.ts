import { type ArchiveEvent, EVENT_KINDS } from '../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { canonicalText } from '../lib/canonical.ts';
import type { Crypto } from '../lib/crypto.ts';
import { fromHex } from '../lib/hex.ts';
import { joined } from './canonical.ts';
import { quoted, type Report } from './findings.ts';

/** `prev_hash` of the first event: 32 zero bytes. */
export const GENESIS = '0'.repeat(64);
/** May act in any chain without being a participant. */
export const HOST_ACTOR = 'system:host';

const KINDS: ReadonlySet<string> = new Set(EVENT_KINDS);

type Hashing = Pick<Crypto, 'sha256Hex'>;

const encoder = new TextEncoder();
const HASH_BYTES = 32;

/** Hash of an event as stored, with whatever members it has (archive-v0.6 "Event chain"). */
export function hashEvent(crypto: Hashing, prevHash: string, event: JsonObject): string {
  const { hash: _, ...hashed } = event;
  const text = canonicalText(hashed);
  const input = new Uint8Array(HASH_BYTES + text.length);
  const { read } = encoder.encodeInto(text, input.subarray(HASH_BYTES));
  const previous = fromHex(prevHash);
  // Text beyond ASCII has more bytes than there is room for.
  if (read < text.length) return crypto.sha256Hex(joined('', previous, encoder.encode(text)));
  input.set(previous);
  return crypto.sha256Hex(input);
}

/** An event but for its place; `event_id` is derived from the place where it is left out. */
export type UnlinkedEvent = Required<Omit<ArchiveEvent, 'seq' | 'event_id' | 'prev_hash' | 'hash'>> &
  Pick<ArchiveEvent, 'event_id'>;

/** Gives each event its place, link and hash. */
export function linkEvents(
  crypto: Hashing,
  events: readonly UnlinkedEvent[],
  from: Pick<ArchiveEvent, 'seq' | 'hash'> = { seq: 0, hash: GENESIS },
): ArchiveEvent[] {
  const linked: ArchiveEvent[] = [];
  let { seq, hash: prev_hash } = from;
  for (const event of events) {
    seq += 1;
    const { action, actor, event_id = `evt_${String(seq).padStart(3, '0')}`, ...others } = event;
    const { kind, payload, target, timestamp, untrusted_payload_fields, ...unknown } = others;
    // In canonical order, so that neither hash nor line has to sort.
    const head = { action, actor, event_id };
    const tail = { kind, payload, prev_hash, seq, target, timestamp, untrusted_payload_fields, ...unknown };
    const hash = hashEvent(crypto, prev_hash, { ...head, ...tail });
    linked.push({ ...head, hash, ...tail });
    prev_hash = hash;
  }
  return linked;
}

/** `chain/events.jsonl`: one object a line, each ended by a line feed; canonical, so that equal events are equal bytes. */
export function eventsToLines(events: readonly ArchiveEvent[]): Uint8Array {
  return encoder.encode(events.map((event) => `${canonicalText(event)}\n`).join(''));
}

/** An event that was read, by its place in the file. */
export interface ReadEvent {
  /** From 1. */
  line: number;
  event: ArchiveEvent & JsonObject;
}

/**
 * Every event: its hash, its link, its number, its kind and its actor; all failures, not the first only. A link is
 * judged against the hash that the event before it states, so that one broken event is one finding.
 */
export function checkChain(
  crypto: Hashing,
  events: readonly ReadEvent[],
  actors: ReadonlySet<string>,
  report: Report,
): void {
  let before = GENESIS;
  for (const { line, event } of events) {
    const fail = (message: string) => report({ area: 'chain', seq: line, message });
    if (event.seq !== line) fail(`seq ${String(event.seq)} expected ${String(line)}`);
    if (event.prev_hash !== before)
      fail(`prev_hash mismatch: it is not the hash of ${line === 1 ? 'the genesis' : 'the event before'}`);
    if (hashEvent(crypto, event.prev_hash, event) !== event.hash)
      fail('hash mismatch: the event is not what was hashed');
    if (!KINDS.has(event.kind)) fail(`kind ${quoted(event.kind)} is not one of ${EVENT_KINDS.join(', ')}`);
    if (event.actor !== HOST_ACTOR && !actors.has(event.actor))
      fail(`actor ${quoted(event.actor)} is not in manifest.participants and not ${HOST_ACTOR}`);
    before = event.hash;
  }
}
