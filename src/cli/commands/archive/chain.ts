import type { ArchiveEvent } from '../../../../protocols/archive/v1/schema.ts';
import type { Cli } from '../../cli.ts';
import { type Layout, table } from '../../format.ts';
import { type LookOptions, lookInto, plainOf } from './open.ts';
import { oneLine, shortHex } from './text.ts';

export interface ChainOptions extends LookOptions {
  limit?: number;
}

/** Characters of a cell; a table of events should fit a wide terminal. */
const DATE_CHARS = 10;
const ACTOR_CHARS = 32;
const ACTION_CHARS = 40;
const SUMMARY_CHARS = 60;
const HASH_CHARS = 16;

const HEADINGS = ['#', 'date', 'actor', 'kind/action', 'payload-summary', 'untrusted'];

/** The events of an archive, as a table or as they are stored. */
export function chain(cli: Cli, file: string, options: ChainOptions): Promise<void> {
  return lookInto(cli, file, options, async (look) => {
    const { events } = plainOf(look, 'the chain');
    const shown = events.slice(0, options.limit);
    cli.answer(options, shown, (layout) => textOf(events, shown, layout).join('\n'));
  });
}

function textOf(events: readonly ArchiveEvent[], shown: readonly ArchiveEvent[], layout: Layout): string[] {
  const left = events.length - shown.length;
  const [first, last] = [events[0], events.at(-1)];
  return [
    table(HEADINGS, shown.map(row), events.length === 0 ? '(no events)' : HEADINGS.join('  '), layout),
    ...(left > 0 ? [`… ${String(left)} more event(s); to see all: --limit ${String(events.length)}`] : []),
    ...(first === undefined || last === undefined
      ? []
      : [
          '',
          `first_event_hash: ${shortHex(first.hash, HASH_CHARS)}`,
          `entry_hash:       ${shortHex(last.hash, HASH_CHARS)}`,
        ]),
  ];
}

function row(event: ArchiveEvent): string[] {
  return [
    String(event.seq),
    oneLine((event.timestamp ?? '-').slice(0, DATE_CHARS)),
    oneLine(event.actor, ACTOR_CHARS),
    oneLine(`${event.kind}/${event.action ?? '-'}`, ACTION_CHARS),
    oneLine(summaryOf(event), SUMMARY_CHARS),
    oneLine((event.untrusted_payload_fields ?? []).join(', '), SUMMARY_CHARS),
  ];
}

/** What the event says in words, else its payload as JSON. */
function summaryOf({ payload = {} }: ArchiveEvent): string {
  for (const field of ['summary', 'statement', 'note']) {
    const text = Object.hasOwn(payload, field) ? payload[field] : undefined;
    if (typeof text === 'string') return text;
  }
  return Object.keys(payload).length === 0 ? '' : JSON.stringify(payload);
}
