import { Type } from 'typebox';
import { closed, Hex32 } from '../../../protocols/common/v1/schema.ts';
import { Workflow } from '../schemas/capsules.ts';
import { described, page, paging, refusals } from '../schemas/shared.ts';

export const workflowContract = {
  'GET /api/workflows': {
    operationId: 'listWorkflows',
    summary: 'Chains of capsules as trees, newest first.',
    querystring: Type.Object(paging, closed),
    response: { 200: described('One page.', page(Workflow)), ...refusals },
  },
  'GET /api/workflows/:id': {
    operationId: 'getWorkflow',
    summary: 'The workflow that a capsule belongs to.',
    params: Type.Object({ id: Hex32 }),
    response: { 200: described('The whole tree.', Workflow), ...refusals },
  },
};
