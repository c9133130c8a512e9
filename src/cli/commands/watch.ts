import type { MeshEvent } from '../../api/schemas/capsules.ts';
import { terminalLine } from '../../lib/untrusted-text.ts';
import { command } from '../command.ts';
import { coloured, type Layout, plural, shortNode, statusText, time } from '../format.ts';
import { CAPSULE, capsuleId } from '../ids.ts';
import { optional } from '../option.ts';
import { NODE } from '../options.ts';
import { findNode } from '../target.ts';

export const watch = command({
  name: 'watch',
  about: 'live events of one capsule, to its end, or of the whole node',
  args: [optional(CAPSULE)],
  options: NODE,
  examples: ['capsule watch', 'capsule watch --json | jq .type'],
  async run(cli, options, typed) {
    const client = await findNode(cli.io, options);
    const id = typed === undefined ? undefined : await capsuleId(client, typed);
    await cli.interruptible(
      async (signal) => {
        for await (const event of client.follow({ id, signal })) {
          // A stream has no one document: with --json each event is one, on a line of its own.
          if (options.json) cli.printJson(event, 0);
          else cli.print(eventLine(event, cli.layout));
        }
      },
      () => 'No longer watching.',
    );
  },
});

function eventLine(event: MeshEvent, layout: Layout): string {
  const parts = details(event, layout).filter((part) => part !== '');
  return [time(event.at), event.capsuleId, ...parts].join('  ');
}

function details(event: MeshEvent, layout: Layout): string[] {
  switch (event.type) {
    case 'status':
      return [
        coloured(statusText(event.status), layout),
        event.executor === null ? '' : `on ${shortNode(event.executor, layout)}`,
        terminalLine(event.note ?? ''),
      ];
    case 'progress':
      return [
        event.stage !== undefined ? terminalLine(event.stage) : `text of attempt ${String(event.epoch)}`,
        event.missing === undefined ? '' : `${plural(event.missing, 'part')} missing before`,
        event.delta === undefined ? '' : JSON.stringify(event.delta),
      ];
    case 'done':
      return [
        'done',
        coloured(statusText(event.status, event.error), layout),
        event.error === null ? '' : `${terminalLine(event.error.message)} (${event.error.code})`,
      ];
  }
}
