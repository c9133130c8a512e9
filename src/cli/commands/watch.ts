import type { Command } from 'commander';
import type { MeshEvent } from '../../exchange/types.ts';
import { type Cli, withExample } from '../cli.ts';
import { follow } from '../follow.ts';
import { plural, safeText, shortNode, statusText, time } from '../format.ts';
import { hexId } from '../options.ts';
import { findNode, type NodeOptions, withNode } from '../target.ts';

export function addWatch(program: Command, cli: Cli): void {
  const watch = program
    .command('watch')
    .description('live events of one capsule, to its end, or of the whole node')
    .argument('[id]', 'the capsule', hexId);
  withExample(withNode(watch), 'capsule watch', 'capsule watch --json | jq .type').action(
    async (id: string | undefined, options: NodeOptions) => {
      const client = await findNode(cli.io, options);
      const path = id === undefined ? '/api/events' : `/api/capsules/${id}/events`;
      await cli.interruptible(
        async (signal) => {
          for await (const event of follow(client, path, signal)) {
            // A stream has no one document: with --json each event is one, on a line of its own.
            cli.print(options.json ? JSON.stringify(event) : eventLine(event));
            if (id !== undefined && event.type === 'done') return;
          }
        },
        () => 'No longer watching.',
      );
    },
  );
}

function eventLine(event: MeshEvent): string {
  return safeText(
    [time(event.at), event.capsuleId, ...details(event)].filter((part) => part !== '').join('  '),
  );
}

function details(event: MeshEvent): string[] {
  switch (event.type) {
    case 'status':
      return [
        statusText(event.status),
        event.executor === null ? '' : `on ${shortNode(event.executor)}`,
        event.note ?? '',
      ];
    case 'progress':
      return [
        event.stage ?? `text of attempt ${String(event.epoch)}`,
        event.missing === undefined ? '' : `${plural(event.missing, 'part')} missing before`,
        event.delta === undefined ? '' : JSON.stringify(event.delta),
      ];
    case 'done':
      return [
        'done',
        event.status,
        event.error === null ? '' : `${event.error.message} (${event.error.code})`,
      ];
  }
}
