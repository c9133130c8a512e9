import { Type } from 'typebox';
import { closed } from '../../../protocols/common/v1/schema.ts';
import { MeshError } from '../../lib/errors.ts';
import { EITHER, READERS } from '../principal.ts';
import type { RouteContext, Server } from '../route-context.ts';
import { NodeStatus, Peer, Provider } from '../schemas/node.ts';
import { described, page, refusals, slicing } from '../schemas/shared.ts';
import { pageOf } from '../slices.ts';

const Health = Type.Object({ status: Type.Literal('ok') });
/** Others' offers that can be listed, the best of each capability first: more than a person reads. */
const MAX_PROVIDERS = 10_000;

export function nodeRoutes(app: Server, { components }: RouteContext): void {
  const { node, network, engine, market } = components;

  app.get(
    '/healthz',
    {
      config: { open: true },
      exposeHeadRoute: true,
      schema: {
        operationId: 'health',
        summary: 'Whether the process answers.',
        security: [],
        response: { 200: described('It does.', Health), ...refusals },
      },
    },
    async () => ({ status: 'ok' as const }),
  );

  app.get(
    '/readyz',
    {
      config: { open: true },
      exposeHeadRoute: true,
      schema: {
        operationId: 'ready',
        summary: 'Whether the node takes work.',
        security: [],
        response: { 200: described('It does.', Health), ...refusals },
      },
    },
    async () => {
      if (!node.ready()) throw new MeshError('busy', 'The node is starting or stopping.');
      return { status: 'ok' as const };
    },
  );

  app.get(
    '/api/node',
    {
      config: { scopes: READERS },
      schema: {
        operationId: 'getNode',
        summary: 'This node.',
        response: { 200: described('Its status.', NodeStatus), ...refusals },
      },
    },
    async () => node.status(),
  );

  app.get(
    '/api/peers',
    {
      config: { scopes: READERS },
      schema: {
        operationId: 'listPeers',
        summary: 'The nodes it is connected to.',
        querystring: Type.Object(slicing, closed),
        response: { 200: described('One page.', page(Peer)), ...refusals },
      },
    },
    async ({ query }) => pageOf(network.peers(), query),
  );

  app.get(
    '/api/market',
    {
      config: { scopes: EITHER },
      schema: {
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
    },
    async ({ query: { capability, ...slice } }) => {
      const own = engine
        .offers()
        .filter((offer) => capability === undefined || offer.capability.id === capability)
        .map((offer) => ({
          nodeId: network.nodeId,
          capabilityId: offer.capability.id,
          price: offer.price,
          estimatedLatency: offer.estimatedLatency,
          ring: 'local' as const,
          roundTripMs: 0,
          ageMs: 0,
          proven: true,
          idempotent: offer.idempotent,
          ...(offer.detail !== undefined && { detail: offer.detail }),
        }));
      const others = market.providers({
        limit: MAX_PROVIDERS,
        ...(capability !== undefined && { capability }),
      });
      return pageOf([...own, ...others], slice);
    },
  );

  app.get(
    '/openapi.json',
    {
      config: { scopes: EITHER },
      schema: {
        operationId: 'getOpenApi',
        summary: 'This description.',
        response: {
          200: described('OpenAPI 3.1.', Type.Object({}, { additionalProperties: true })),
          ...refusals,
        },
      },
    },
    async (_request, reply) => reply.type('application/json').send(app.swagger()),
  );
}
