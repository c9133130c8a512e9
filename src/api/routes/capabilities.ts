import { Type } from 'typebox';
import { closed } from '../../../protocols/common/v1/schema.ts';
import { MeshError } from '../../lib/errors.ts';
import { EITHER, READERS } from '../principal.ts';
import type { RouteContext, Server } from '../route-context.ts';
import { Capabilities, Module, Permission } from '../schemas/node.ts';
import { described, page, refusals, slicing } from '../schemas/shared.ts';
import { pageOf } from '../slices.ts';

const name = Type.String({ minLength: 1, maxLength: 64, description: 'A module, such as `notify`.' });
const one = Type.Object({
  capability: name,
  permission: Type.String({ minLength: 1, maxLength: 256, description: 'Such as `network:config`.' }),
});

export function capabilityRoutes(app: Server, { components: { engine } }: RouteContext): void {
  const { permissions } = engine;

  app.get(
    '/api/capabilities',
    {
      config: { scopes: EITHER },
      schema: {
        operationId: 'listCapabilities',
        summary: 'What is installed here, and what of it is on offer.',
        response: { 200: described('All modules and offers.', Capabilities), ...refusals },
      },
    },
    async () => ({ modules: engine.modules(), offers: engine.offers() }),
  );

  app.post(
    '/api/capabilities/:name/trust',
    {
      schema: {
        operationId: 'trustCapability',
        summary: 'Accepts the changed code of a module in safe mode.',
        params: Type.Object({ name }),
        response: { 200: described('The module as it is now.', Module), ...refusals },
      },
    },
    async ({ params }) => {
      await engine.trust(params.name);
      const module = engine.modules().find(({ manifest }) => manifest.id === params.name);
      if (module === undefined) throw new MeshError('not_found', `There is no module ${params.name}.`);
      return module;
    },
  );

  app.get(
    '/api/permissions',
    {
      config: { scopes: READERS },
      schema: {
        operationId: 'listPermissions',
        summary: 'What each module declares and was granted.',
        querystring: Type.Object(slicing, closed),
        response: { 200: described('One page.', page(Permission)), ...refusals },
      },
    },
    async ({ query }) => pageOf(permissions.list(), query),
  );

  for (const method of ['PUT', 'DELETE'] as const) {
    const grant = method === 'PUT';
    app.route({
      method,
      url: '/api/permissions/:capability/:permission',
      schema: {
        operationId: grant ? 'grantPermission' : 'revokePermission',
        summary: grant ? 'Grants what the module declares.' : 'Takes it back.',
        params: one,
        response: { 200: described('As it is now.', Permission), ...refusals },
      },
      handler: async (request) => {
        const { capability, permission } = request.params;
        await (grant
          ? permissions.grant(capability, permission)
          : permissions.revoke(capability, permission));
        const found = permissions
          .list()
          .find((each) => each.module === capability && each.permission === permission);
        if (found === undefined) throw new MeshError('not_found', `${capability} declares no ${permission}.`);
        return found;
      },
    });
  }
}
