import type { Command } from 'commander';
import type { Static } from 'typebox';
import type { Permission } from '../../api/schemas/node.ts';
import type { Page } from '../../store/types.ts';
import type { ApiClient } from '../api-client.ts';
import { type Cli, withExample } from '../cli.ts';
import { table } from '../format.ts';
import { furtherPages, type PageOptions, withPages } from '../options.ts';
import { suggesting } from '../suggest.ts';
import { findNode, type NodeOptions, withNode } from '../target.ts';

type PermissionState = Static<typeof Permission>;

const declared = (client: ApiClient, { limit, cursor }: PageOptions = {}) =>
  client.request<Page<PermissionState>>('/api/permissions', { query: { limit, cursor } });

export function addPermissions(program: Command, cli: Cli): void {
  const group = program.command('permissions').description('what capabilities may do');
  withExample(group, 'capsule permissions list');

  withExample(
    withNode(withPages(group.command('list').description('what each declares and was granted'))),
    'capsule permissions list',
  ).action(async (options: NodeOptions & PageOptions) => {
    const client = await findNode(cli.io, options);
    const page = await declared(client, options);
    cli.answer(
      options,
      page,
      (layout) =>
        table(
          ['CAPABILITY', 'PERMISSION', 'STATE'],
          page.items.map(row),
          'No capability asks for anything.',
          layout,
        ) + furtherPages(page),
    );
  });

  for (const [name, method, description] of [
    ['grant', 'PUT', 'allow what a capability declares'],
    ['revoke', 'DELETE', 'take it back'],
  ] as const) {
    const command = group
      .command(name)
      .description(description)
      .argument('<module>', 'such as notify')
      .argument('<permission>', 'such as network:config');
    withExample(withNode(command), `capsule permissions ${name} notify network:config`).action(
      async (capability: string, permission: string, options: NodeOptions) => {
        const client = await findNode(cli.io, options);
        const path = `/api/permissions/${encodeURIComponent(capability)}/${encodeURIComponent(permission)}`;
        const state = await suggesting(client.request<PermissionState>(path, { method }), [
          [capability, async () => (await declared(client)).items.map((each) => each.module)],
          [permission, async () => (await declared(client)).items.map((each) => each.permission)],
        ]);
        cli.answer(options, state, () => row(state).join(' '));
      },
    );
  }
}

function row({ module, permission, declared, granted }: PermissionState): string[] {
  return [
    module,
    permission,
    `${granted ? 'granted' : 'not granted'}${declared ? '' : ', no longer declared'}`,
  ];
}
