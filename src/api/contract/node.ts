import { Type } from 'typebox';
import { closed } from '../../../protocols/common/v1/schema.ts';
import { NodeStatus, Peer, Provider } from '../schemas/node.ts';
import { described, page, refusals, slicing } from '../schemas/shared.ts';

const Health = Type.Object({ status: Type.Literal('ok') });

export const nodeContract = {
  'GET /healthz': {
    operationId: 'health',
    summary: 'Whether the process answers.',
    security: [],
    response: { 200: described('It does.', Health), ...refusals },
  },
  'GET /readyz': {
    operationId: 'ready',
    summary: 'Whether the node takes work.',
    security: [],
    response: { 200: described('It does.', Health), ...refusals },
  },
  'GET /api/node': {
    operationId: 'getNode',
    summary: 'This node.',
    response: { 200: described('Its status.', NodeStatus), ...refusals },
  },
  'GET /api/peers': {
    operationId: 'listPeers',
    summary: 'The nodes it is connected to.',
    querystring: Type.Object(slicing, closed),
    response: { 200: described('One page.', page(Peer)), ...refusals },
  },
  'GET /api/market': {
    operationId: 'listProviders',
    summary: 'Who offers what, this node (ring `local`) included.',
    querystring: Type.Object(
      {
        capability: Type.Optional(Type.String({ maxLength: 128 })),
        ...slicing,
      },
      closed,
    ),
    response: {
      200: described('One page; capability by capability, best first.', page(Provider)),
      ...refusals,
    },
  },
  'GET /openapi.json': {
    operationId: 'getOpenApi',
    summary: 'This description.',
    response: {
      200: described('OpenAPI 3.1.', Type.Object({}, { additionalProperties: true })),
      ...refusals,
    },
  },
};
