import { MeshError } from '../../lib/errors.ts';
import { nodeContract } from '../contract/node.ts';
import { EITHER, READERS } from '../principal.ts';
import type { RouteContext, Server } from '../route-context.ts';
import { pageOf } from '../slices.ts';

/** Others' offers that can be listed, the best of each capability first: more than a person reads. */
const MAX_PROVIDERS = 10_000;

export function nodeRoutes(app: Server, { components }: RouteContext): void {
  const { node, network, engine, market } = components;

  app.get(
    '/healthz',
    {
      config: { open: true },
      exposeHeadRoute: true,
      schema: nodeContract['GET /healthz'],
    },
    async () => ({ status: 'ok' as const }),
  );

  app.get(
    '/readyz',
    {
      config: { open: true },
      exposeHeadRoute: true,
      schema: nodeContract['GET /readyz'],
    },
    async () => {
      if (!node.ready()) throw new MeshError('busy', 'The node is starting or stopping.');
      return { status: 'ok' as const };
    },
  );

  app.get('/api/node', { config: { scopes: READERS }, schema: nodeContract['GET /api/node'] }, async () =>
    node.status(),
  );

  app.get(
    '/api/peers',
    { config: { scopes: READERS }, schema: nodeContract['GET /api/peers'] },
    async ({ query }) => pageOf(network.peers(), query),
  );

  app.get(
    '/api/market',
    { config: { scopes: EITHER }, schema: nodeContract['GET /api/market'] },
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
    { config: { scopes: EITHER }, schema: nodeContract['GET /openapi.json'] },
    async (_request, reply) => reply.type('application/json').send(app.swagger()),
  );
}
