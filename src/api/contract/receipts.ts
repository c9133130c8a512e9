import { Type } from 'typebox';
import { closed, Hex32 } from '../../../protocols/common/v1/schema.ts';
import { ReceiptEntry, ReceiptsVerification } from '../schemas/node.ts';
import { described, page, paging, ReceiptRef, refusals } from '../schemas/shared.ts';

export const receiptContract = {
  'GET /api/receipts': {
    operationId: 'listReceipts',
    summary: 'This node’s chain of receipts.',
    querystring: Type.Object(paging, closed),
    response: { 200: described('One page.', page(ReceiptEntry)), ...refusals },
  },
  'GET /api/receipts/verify': {
    operationId: 'verifyReceipts',
    summary: 'Walks the whole chain: hashes, links, signatures, order and state roots.',
    response: { 200: described('What was found.', ReceiptsVerification), ...refusals },
  },
  'GET /api/receipts/:hash': {
    operationId: 'getReceipt',
    summary: 'One receipt.',
    params: Type.Object({ hash: Hex32 }),
    response: { 200: described('As it was signed.', ReceiptRef), ...refusals },
  },
};
