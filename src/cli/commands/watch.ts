import type { Command } from 'commander';
import type { MeshEvent } from '../../exchange/types.ts';
import { terminalLine } from '../../lib/untrusted-text.ts';
import { type Cli, withExample } from '../cli.ts';
import { follow } from '../follow.ts';
import { coloured, type Layout, plural, shortNode, statusText, time } from '../format.ts';
import { capsuleId, hexId } from '../ids.ts';
import { findNode, type NodeOptions, withNode } from '../target.ts';

export function addWatch(program: Command, cli: Cli): void {
  const watch = program
    .command('watch')
    .description('live events of one capsule, to its end, or of the whole node')
    .argument('[id]', 'the capsule', hexId);
  withExample(withNode(watch), 'capsule watch', 'capsule watch --json | jq .type').action(
    async (typed: string | undefined, options: NodeOptions) => {
      const client = await findNode(cli.io, options);
      const id = typed === undefined ? undefined : await capsuleId(client, typed);
      const path = id === undefined ? '/api/events' : `/api/capsules/${id}/events`;
      await cli.interruptible(
        async (signal) => {
          for await (const event of follow(client, path, signal)) {
            // A stream has no one document: with --json each event is one, on a line of its own.
            if (options.json) cli.printJson(event, 0);
            else cli.print(eventLine(event, cli.layout));
            if (id !== undefined && event.type === 'done') return;
          }
        },
        () => 'No longer watching.',
      );
    },
  );
}

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
