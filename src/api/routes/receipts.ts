import { Type } from 'typebox';
import { closed, Hex32 } from '../../../protocols/common/v1/schema.ts';
import { MeshError } from '../../lib/errors.ts';
import { READERS } from '../principal.ts';
import type { RouteContext, Server } from '../route-context.ts';
import { ReceiptEntry, ReceiptsVerification } from '../schemas/node.ts';
import { described, page, paging, ReceiptRef, refusals } from '../schemas/shared.ts';
import { whileOpen } from '../while-open.ts';

export function receiptRoutes(app: Server, { components }: RouteContext): void {
  const { receipts } = components.engine;

  app.get(
    '/api/receipts',
    {
      config: { scopes: READERS },
      schema: {
        operationId: 'listReceipts',
        summary: 'This node’s chain of receipts.',
        querystring: Type.Object(paging, closed),
        response: { 200: described('One page.', page(ReceiptEntry)), ...refusals },
      },
    },
    async ({ query }) => receipts.list(query),
  );

  app.get(
    '/api/receipts/verify',
    {
      config: { scopes: READERS },
      schema: {
        operationId: 'verifyReceipts',
        summary: 'Walks the whole chain: hashes, links, signatures, order and state roots.',
        response: { 200: described('What was found.', ReceiptsVerification), ...refusals },
      },
    },
    async (_request, reply) => receipts.verify({ signal: whileOpen(reply.raw) }),
  );

  app.get(
    '/api/receipts/:hash',
    {
      config: { scopes: READERS },
      schema: {
        operationId: 'getReceipt',
        summary: 'One receipt.',
        params: Type.Object({ hash: Hex32 }),
        response: { 200: described('As it was signed.', ReceiptRef), ...refusals },
      },
    },
    async ({ params: { hash } }, reply) => {
      const receipt = await receipts.get(hash, { signal: whileOpen(reply.raw) });
      if (receipt === undefined) throw new MeshError('not_found', `The node has no receipt ${hash}.`);
      return receipt;
    },
  );
}
