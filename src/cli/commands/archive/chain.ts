import type { ArchiveEvent } from '../../../../protocols/archive/v1/schema.ts';
import type { Cli } from '../../cli.ts';
import { type Layout, table } from '../../format.ts';
import type { Values } from '../../option.ts';
import { lookInto, plainOf } from './open.ts';
import type { CHAIN } from './options.ts';
import { oneLine, shortHex } from './text.ts';

/** Characters of a cell; a table of events should fit a wide terminal. */
const DATE_CHARS = 10;
const ACTOR_CHARS = 32;
const ACTION_CHARS = 40;
const SUMMARY_CHARS = 60;
const HASH_CHARS = 16;

const COLUMNS = {
  '#': (event: ArchiveEvent) => String(event.seq),
  date: (event: ArchiveEvent) => oneLine((event.timestamp ?? '-').slice(0, DATE_CHARS)),
  actor: (event: ArchiveEvent) => oneLine(event.actor, ACTOR_CHARS),
  'kind/action': ({ kind, action = '-' }: ArchiveEvent) => oneLine(`${kind}/${action}`, ACTION_CHARS),
  'payload-summary': (event: ArchiveEvent) => oneLine(summaryOf(event), SUMMARY_CHARS),
  untrusted: ({ untrusted_payload_fields: fields = [] }: ArchiveEvent) =>
    oneLine(fields.join(', '), SUMMARY_CHARS),
};

/** The events of an archive, as a table or as they are stored. */
export function chain(cli: Cli, options: Values<typeof CHAIN>, file: string): Promise<void> {
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
    table(shown, COLUMNS, events.length === 0 ? '(no events)' : Object.keys(COLUMNS).join('  '), layout),
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

/** What the event says in words, else its payload as JSON. */
function summaryOf({ payload = {} }: ArchiveEvent): string {
  for (const field of ['summary', 'statement', 'note']) {
    const text = Object.hasOwn(payload, field) ? payload[field] : undefined;
    if (typeof text === 'string') return text;
  }
  return Object.keys(payload).length === 0 ? '' : JSON.stringify(payload);
}
