import { randomUUID } from 'node:crypto';
import { fromMicro, toMicro } from '../../capsule/credits.ts';
import { identityOf } from '../../capsule/identity.ts';
import type { LedgerEntry as Entry } from '../../ledger/types.ts';
import { MeshError } from '../../lib/errors.ts';
import { creditContract } from '../contract/credits.ts';
import { READERS } from '../principal.ts';
import type { RouteContext, Server } from '../route-context.ts';
import { pageOf } from '../slices.ts';
import { whileOpen } from '../while-open.ts';

/** Accounts that can be listed: identities cost nothing, and a book is read as a whole for it. */
const MAX_ACCOUNTS = 10_000;

export function creditRoutes(app: Server, { components, init }: RouteContext): void {
  const { ledger } = components;

  app.get(
    '/api/credits',
    { config: { scopes: READERS }, schema: creditContract['GET /api/credits'] },
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
    { config: { scopes: READERS }, schema: creditContract['GET /api/credits/history'] },
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
    { schema: creditContract['POST /api/credits/grants'] },
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
    { config: { scopes: READERS }, schema: creditContract['GET /api/credits/verify'] },
    async (_request, reply) => ledger.verify({ signal: whileOpen(reply.raw) }),
  );

  app.get(
    '/api/credits/reconcile/:node',
    { config: { scopes: READERS }, schema: creditContract['GET /api/credits/reconcile/:node'] },
    async ({ params: { node } }, reply) => components.reconcile(node, { signal: whileOpen(reply.raw) }),
  );
}

function withAmount(entry: Entry): Entry & { amount: number } {
  return { ...entry, amount: fromMicro(entry.microAmount) };
}

function toIdentity(account: string): string {
  return /^[0-9a-f]{64}$/.test(account) ? account : identityOf(account);
}
