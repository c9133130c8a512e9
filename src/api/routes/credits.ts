import { randomUUID } from 'node:crypto';
import { Type } from 'typebox';
import { LIMITS } from '../../../protocols/common/v1/limits.ts';
import { closed, Identity, NodeId } from '../../../protocols/common/v1/schema.ts';
import { fromMicro, toMicro } from '../../capsule/credits.ts';
import { identityOf } from '../../capsule/identity.ts';
import type { LedgerEntry as Entry } from '../../ledger/types.ts';
import { MeshError } from '../../lib/errors.ts';
import { READERS } from '../principal.ts';
import type { RouteContext, Server } from '../route-context.ts';
import { Credits, LedgerEntry, LedgerVerification, Reconciliation } from '../schemas/credits.ts';
import { described, page, paging, refusals, slicing } from '../schemas/shared.ts';
import { pageOf } from '../slices.ts';
import { whileOpen } from '../while-open.ts';

/** Accounts that can be listed: identities cost nothing, and a book is read as a whole for it. */
const MAX_ACCOUNTS = 10_000;

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

export function creditRoutes(app: Server, { components, init }: RouteContext): void {
  const { ledger } = components;

  app.get(
    '/api/credits',
    {
      config: { scopes: READERS },
      schema: {
        operationId: 'getCredits',
        summary: 'Every account in this node’s book.',
        querystring: Type.Object(slicing, closed),
        response: { 200: described('Balances in credits.', Credits), ...refusals },
      },
    },
    async ({ query }) => {
      const { items, cursor } = pageOf(await ledger.balances(MAX_ACCOUNTS), query);
      return {
        identity: init.identity,
        balance: fromMicro(ledger.balance(init.identity)),
        limit: init.creditLimit,
        accounts: items.map((each) => ({
          account: each.account,
          balance: fromMicro(each.microBalance),
          disputed: fromMicro(each.microDisputed),
        })),
        cursor,
      };
    },
  );

  app.get(
    '/api/credits/history',
    {
      config: { scopes: READERS },
      schema: {
        operationId: 'listLedgerEntries',
        summary: 'What was booked, newest first.',
        querystring: Type.Object({ account: Type.Optional(account), ...paging }, closed),
        response: { 200: described('One page.', page(LedgerEntry)), ...refusals },
      },
    },
    async ({ query }, reply) => {
      const { account: of, ...rest } = query;
      const { items, cursor } = await ledger.history({
        ...rest,
        signal: whileOpen(reply.raw),
        ...(of !== undefined && { account: toIdentity(of) }),
      });
      return { items: items.map(withAmount), cursor };
    },
  );

  app.post(
    '/api/credits/grants',
    {
      schema: {
        operationId: 'grantCredit',
        summary: 'Gives an account credit at this node.',
        body: Grant,
        response: { 201: described('Booked.', Granted), ...refusals },
      },
    },
    async ({ body: { account: to, amount, id = randomUUID() } }, reply) => {
      const identity = toIdentity(to);
      if (!(await ledger.grant(identity, toMicro(amount), id))) {
        throw new MeshError('conflict', `The grant ${id} is booked already.`);
      }
      const balance = fromMicro(ledger.balance(identity));
      return reply.code(201).send({ reference: `grant:${id}`, account: identity, balance });
    },
  );

  app.get(
    '/api/credits/verify',
    {
      config: { scopes: READERS },
      schema: {
        operationId: 'verifyCredits',
        summary: 'Recomputes every hash, link and balance of the book.',
        response: { 200: described('What was found.', LedgerVerification), ...refusals },
      },
    },
    async (_request, reply) => ledger.verify({ signal: whileOpen(reply.raw) }),
  );

  app.get(
    '/api/credits/reconcile/:node',
    {
      config: { scopes: READERS },
      schema: {
        operationId: 'reconcileCredits',
        summary: 'Compares this book with another node’s.',
        params: Type.Object({ node: NodeId }),
        response: { 200: described('Where the two differ.', Reconciliation), ...refusals },
      },
    },
    async ({ params: { node } }, reply) => components.reconcile(node, { signal: whileOpen(reply.raw) }),
  );
}

function withAmount(entry: Entry): Entry & { amount: number } {
  return { ...entry, amount: fromMicro(entry.microAmount) };
}

function toIdentity(account: string): string {
  return /^[0-9a-f]{64}$/.test(account) ? account : identityOf(account);
}
