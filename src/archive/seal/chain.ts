import type { ArchiveEvent } from '../../../protocols/archive/v1/schema.ts';
import { MeshError } from '../../lib/errors.ts';
import { eventsToLines } from '../chain.ts';
import { EVENT_LIMITS, MAX_CHAIN_BYTES, MAX_EVENTS } from '../documents.ts';

/** Lines of `chain/events.jsonl` that a reader takes. Throws `too_large`. */
export function chainLines(events: readonly ArchiveEvent[], before = 0): Uint8Array {
  const count = events.at(-1)?.seq ?? 0;
  if (count > MAX_EVENTS)
    throw new MeshError(
      'too_large',
      `The chain would have ${String(count)} events; ${String(MAX_EVENTS)} are allowed.`,
    );
  const lines = eventsToLines(events);
  if (lines.length > EVENT_LIMITS.maxBytes) for (const event of events) demandEventSize(event);
  if (before + lines.length > MAX_CHAIN_BYTES)
    throw new MeshError(
      'too_large',
      `The chain would have ${String(before + lines.length)} bytes; ${String(MAX_CHAIN_BYTES)} are allowed.`,
    );
  return lines;
}

function demandEventSize(event: ArchiveEvent): void {
  const { length } = eventsToLines([event]);
  if (length > EVENT_LIMITS.maxBytes)
    throw new MeshError(
      'too_large',
      `Event ${String(event.seq)} has ${String(length)} bytes; ${String(EVENT_LIMITS.maxBytes)} are allowed.`,
    );
}
