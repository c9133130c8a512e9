import { MeshError } from '../../lib/errors.ts';
import { receiptContract } from '../contract/receipts.ts';
import { READERS } from '../principal.ts';
import type { RouteContext, Server } from '../route-context.ts';
import { whileOpen } from '../while-open.ts';

export function receiptRoutes(app: Server, { components }: RouteContext): void {
  const { receipts } = components.engine;

  app.get(
    '/api/receipts',
    { config: { scopes: READERS }, schema: receiptContract['GET /api/receipts'] },
    async ({ query }) => receipts.list(query),
  );

  app.get(
    '/api/receipts/verify',
    { config: { scopes: READERS }, schema: receiptContract['GET /api/receipts/verify'] },
    async (_request, reply) => receipts.verify({ signal: whileOpen(reply.raw) }),
  );

  app.get(
    '/api/receipts/:hash',
    { config: { scopes: READERS }, schema: receiptContract['GET /api/receipts/:hash'] },
    async ({ params: { hash } }, reply) => {
      const receipt = await receipts.get(hash, { signal: whileOpen(reply.raw) });
      if (receipt === undefined) throw new MeshError('not_found', `The node has no receipt ${hash}.`);
      return receipt;
    },
  );
}
