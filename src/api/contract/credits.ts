import { Type } from 'typebox';
import { LIMITS } from '../../../protocols/common/v1/limits.ts';
import { closed, Identity, NodeId } from '../../../protocols/common/v1/schema.ts';
import { Credits, LedgerEntry, LedgerVerification, Reconciliation } from '../schemas/credits.ts';
import { described, page, paging, refusals, slicing } from '../schemas/shared.ts';

const account = Type.Union([Identity, NodeId], { description: 'An identity (64 hex) or a node id.' });
const Grant = Type.Object(
  {
    account,
    amount: Type.Number({ exclusiveMinimum: 0, maximum: LIMITS.maxAmountCredits, description: 'Credits.' }),
    id: Type.Optional(
      Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$', description: 'The same id twice is booked once.' }),
    ),
  },
  closed,
);
const Granted = Type.Object({ reference: Type.String(), account: Identity, balance: Type.Number() });

export const creditContract = {
  'GET /api/credits': {
    operationId: 'getCredits',
    summary: 'Every account in this node’s book.',
    querystring: Type.Object(slicing, closed),
    response: { 200: described('Balances in credits.', Credits), ...refusals },
  },
  'GET /api/credits/history': {
    operationId: 'listLedgerEntries',
    summary: 'What was booked, newest first.',
    querystring: Type.Object({ account: Type.Optional(account), ...paging }, closed),
    response: { 200: described('One page.', page(LedgerEntry)), ...refusals },
  },
  'POST /api/credits/grants': {
    operationId: 'grantCredit',
    summary: 'Gives an account credit at this node.',
    body: Grant,
    response: { 201: described('Booked.', Granted), ...refusals },
  },
  'GET /api/credits/verify': {
    operationId: 'verifyCredits',
    summary: 'Recomputes every hash, link and balance of the book.',
    response: { 200: described('What was found.', LedgerVerification), ...refusals },
  },
  'GET /api/credits/reconcile/:node': {
    operationId: 'reconcileCredits',
    summary: 'Compares this book with another node’s.',
    params: Type.Object({ node: NodeId }),
    response: { 200: described('Where the two differ.', Reconciliation), ...refusals },
  },
};
