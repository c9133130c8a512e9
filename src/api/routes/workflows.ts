import { MeshError } from '../../lib/errors.ts';
import { workflowContract } from '../contract/workflows.ts';
import { EITHER, principalOf } from '../principal.ts';
import type { RouteContext, Server } from '../route-context.ts';
import { whileOpen } from '../while-open.ts';

export function workflowRoutes(app: Server, { components: { workflows }, submissions }: RouteContext): void {
  app.get(
    '/api/workflows',
    { config: { scopes: EITHER }, schema: workflowContract['GET /api/workflows'] },
    async (request, reply) => {
      const caller = principalOf(request);
      const { items, cursor } = await workflows.list({ ...request.query, signal: whileOpen(reply.raw) });
      return { items: items.filter(({ root }) => submissions.seesId(caller, root)), cursor };
    },
  );

  app.get(
    '/api/workflows/:id',
    { config: { scopes: EITHER }, schema: workflowContract['GET /api/workflows/:id'] },
    async (request) => {
      const { id } = request.params;
      submissions.checkChain(principalOf(request), id);
      const workflow = workflows.of(id);
      if (workflow === undefined)
        throw new MeshError('not_found', `The node has no workflow of capsule ${id}.`);
      return workflow;
    },
  );
}
