import type { ArchiveEvent } from '../../protocols/archive/v1/schema.ts';
import { MeshError } from '../lib/errors.ts';
import { eventsToLines } from './chain.ts';
import { MAX_CHAIN_BYTES } from './documents.ts';

/** One line, as readers take it. */
const MAX_EVENT_BYTES = 4_194_304;

/** Lines of `chain/events.jsonl` that a reader takes. Throws `too_large`. */
export function chainLines(events: readonly ArchiveEvent[], before = 0): Uint8Array {
  const lines = eventsToLines(events);
  if (lines.length > MAX_EVENT_BYTES) for (const event of events) demandEventSize(event);
  if (before + lines.length > MAX_CHAIN_BYTES)
    throw new MeshError(
      'too_large',
      `The chain would have ${String(before + lines.length)} bytes; ${String(MAX_CHAIN_BYTES)} are allowed.`,
    );
  return lines;
}

function demandEventSize(event: ArchiveEvent): void {
  const { length } = eventsToLines([event]);
  if (length > MAX_EVENT_BYTES)
    throw new MeshError(
      'too_large',
      `Event ${String(event.seq)} has ${String(length)} bytes; ${String(MAX_EVENT_BYTES)} are allowed.`,
    );
}
