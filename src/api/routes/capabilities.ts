import { MeshError } from '../../lib/errors.ts';
import { capabilityContract } from '../contract/capabilities.ts';
import { EITHER, READERS } from '../principal.ts';
import type { RouteContext, Server } from '../route-context.ts';
import { pageOf } from '../slices.ts';

export function capabilityRoutes(app: Server, { components: { engine } }: RouteContext): void {
  const { permissions } = engine;

  app.get(
    '/api/capabilities',
    { config: { scopes: EITHER }, schema: capabilityContract['GET /api/capabilities'] },
    async () => ({ modules: engine.modules(), offers: engine.offers() }),
  );

  app.post(
    '/api/capabilities/:name/trust',
    { schema: capabilityContract['POST /api/capabilities/:name/trust'] },
    async ({ params }) => {
      await engine.trust(params.name);
      const module = engine.modules().find(({ manifest }) => manifest.id === params.name);
      if (module === undefined) throw new MeshError('not_found', `There is no module ${params.name}.`);
      return module;
    },
  );

  app.get(
    '/api/permissions',
    { config: { scopes: READERS }, schema: capabilityContract['GET /api/permissions'] },
    async ({ query }) => pageOf(permissions.list(), query),
  );

  for (const method of ['PUT', 'DELETE'] as const) {
    const grant = method === 'PUT';
    app.route({
      method,
      url: '/api/permissions/:capability/:permission',
      schema: capabilityContract[`${method} /api/permissions/:capability/:permission`],
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
