import type { MeshClient } from '../../client/client.ts';
import type { Item } from '../../client/routes.ts';
import { group, listing, query } from '../command.ts';
import { arg } from '../option.ts';
import { suggesting } from '../suggest.ts';

const COLUMNS = {
  CAPABILITY: ({ module }: Item<'GET /api/permissions'>) => module,
  PERMISSION: ({ permission }: Item<'GET /api/permissions'>) => permission,
  STATE: ({ declared, granted }: Item<'GET /api/permissions'>) =>
    `${granted ? 'granted' : 'not granted'}${declared ? '' : ', no longer declared'}`,
};

const list = listing({
  name: 'list',
  about: 'what each declares and was granted',
  examples: ['capsule permissions list'],
  route: 'GET /api/permissions',
  columns: COLUMNS,
  empty: 'No capability asks for anything.',
});

const change = (name: 'grant' | 'revoke', about: string) =>
  query({
    name,
    about,
    args: [arg('<module>', 'such as notify'), arg('<permission>', 'such as network:config')],
    examples: [`capsule permissions ${name} notify network:config`],
    ask: (client, _, capability, permission) =>
      suggesting(
        client.request(`${name === 'grant' ? 'PUT' : 'DELETE'} /api/permissions/:capability/:permission`, {
          params: { capability, permission },
        }),
        [
          [capability, async () => (await declared(client)).map((each) => each.module)],
          [permission, async () => (await declared(client)).map((each) => each.permission)],
        ],
      ),
    show: (state) =>
      Object.values(COLUMNS)
        .map((cell) => cell(state))
        .join(' '),
  });

const declared = async (client: MeshClient) => (await client.request('GET /api/permissions')).items;

export const permissions = group(
  { name: 'permissions', about: 'what capabilities may do', examples: ['capsule permissions list'] },
  [list, change('grant', 'allow what a capability declares'), change('revoke', 'take it back')],
);
