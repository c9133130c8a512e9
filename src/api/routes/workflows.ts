import { Type } from 'typebox';
import { closed, Hex32 } from '../../../protocols/common/v1/schema.ts';
import { MeshError } from '../../lib/errors.ts';
import { EITHER, principalOf } from '../principal.ts';
import type { RouteContext, Server } from '../route-context.ts';
import { Workflow } from '../schemas/capsules.ts';
import { described, page, paging, refusals } from '../schemas/shared.ts';
import { whileOpen } from '../while-open.ts';

export function workflowRoutes(app: Server, { components: { workflows }, submissions }: RouteContext): void {
  app.get(
    '/api/workflows',
    {
      config: { scopes: EITHER },
      schema: {
        operationId: 'listWorkflows',
        summary: 'Chains of capsules as trees, newest first.',
        querystring: Type.Object(paging, closed),
        response: { 200: described('One page.', page(Workflow)), ...refusals },
      },
    },
    async (request, reply) => {
      const caller = principalOf(request);
      const { items, cursor } = await workflows.list({ ...request.query, signal: whileOpen(reply.raw) });
      return { items: items.filter(({ root }) => submissions.seesId(caller, root)), cursor };
    },
  );

  app.get(
    '/api/workflows/:id',
    {
      config: { scopes: EITHER },
      schema: {
        operationId: 'getWorkflow',
        summary: 'The workflow that a capsule belongs to.',
        params: Type.Object({ id: Hex32 }),
        response: { 200: described('The whole tree.', Workflow), ...refusals },
      },
    },
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
