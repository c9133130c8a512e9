import { randomUUID } from 'node:crypto';
import type { Answer } from '../../client/routes.ts';
import { group, listing, query } from '../command.ts';
import { credits as asCredits, furtherPages, type Layout, plural, table, time } from '../format.ts';
import { ACCOUNT, accountId, OTHER_NODE } from '../ids.ts';
import { arg, option } from '../option.ts';
import { amount, PAGES, pageOf, WALK_TIMEOUT_MS } from '../options.ts';

type Book = Answer<'GET /api/credits'>;
type Account = Book['accounts'][number];

const show = query({
  name: 'show',
  isDefault: true,
  about: 'every account’s balance',
  options: PAGES,
  examples: ['capsule credits show'],
  ask: (client, options) => client.request('GET /api/credits', { query: pageOf(options) }),
  show: showBook,
});

const history = listing({
  name: 'history',
  about: 'what was booked, newest first',
  options: { account: option('<account>', 'only of this identity or node') },
  examples: ['capsule credits history'],
  route: 'GET /api/credits/history',
  filter: async ({ account }, client) =>
    account === undefined ? {} : { account: await accountId(client, account) },
  columns: {
    '#': (entry) => String(entry.sequence),
    'AT (UTC)': (entry) => time(entry.at),
    AMOUNT: (entry) => entry.amount.toFixed(6),
    FROM: (entry) => entry.debit.slice(0, 16),
    TO: (entry) => entry.credit.slice(0, 16),
    FOR: (entry) => entry.reference,
  },
  empty: 'Nothing was booked yet.',
});

const grant = query({
  name: 'grant',
  about: 'give an account credit at this node',
  args: [ACCOUNT, arg('<n>', 'credits', amount)],
  examples: ['capsule credits grant 12D3KooW… 100'],
  ask: (client, _, account, credit) =>
    client.request('POST /api/credits/grants', { body: { account, amount: credit, id: randomUUID() } }),
  show: ({ account, balance }) => `${account} has ${asCredits(balance)} now`,
});

const verify = query({
  name: 'verify',
  about: 'recompute every hash, link and balance',
  examples: ['capsule credits verify'],
  ask: (client) => client.request('GET /api/credits/verify', { timeoutMs: WALK_TIMEOUT_MS }),
  fails: ({ ok }) => !ok,
  show: ({ ok, entries, problems }) =>
    [`${ok ? 'in order' : 'NOT in order'}: ${plural(entries, 'entry')}`, ...problems].join('\n'),
});

const reconcile = query({
  name: 'reconcile',
  about: 'compare this book with another node’s',
  args: [OTHER_NODE],
  examples: ['capsule credits reconcile 12D3KooW…'],
  ask: (client, _, node) =>
    client.request('GET /api/credits/reconcile/:node', { params: { node }, timeoutMs: WALK_TIMEOUT_MS }),
  fails: ({ agree }) => !agree,
  show: (found) =>
    [
      `${found.agree ? 'the books agree' : 'the books DIFFER'}: ${plural(found.entriesHere, 'entry')} here, ${String(found.entriesThere)} there`,
      ...found.differences.map(({ reference, kind }) => `${kind.replaceAll('_', ' ')}: ${reference}`),
      ...(found.moreDifferences > 0 ? [`and ${found.moreDifferences} more`] : []),
    ].join('\n'),
});

export const credits = group(
  {
    name: 'credits',
    about: 'the ledger: balances, bookings, proof',
    examples: ['capsule credits', 'capsule credits history --limit 10'],
  },
  [show, history, grant, verify, reconcile],
);

function showBook({ identity, limit, accounts, cursor }: Book, layout: Layout): string {
  const columns = {
    ACCOUNT: ({ account }: Account) => account,
    BALANCE: ({ balance }: Account) => balance.toFixed(6),
    '': ({ account, disputed }: Account) => {
      if (account === identity) return 'this node';
      if (account === 'operator') return 'granted';
      return disputed > 0 ? `disputes ${disputed.toFixed(6)}` : '';
    },
  };
  return `${table(accounts, columns, 'Nothing was booked yet.', layout)}${furtherPages(cursor)}\n(an account may owe up to ${asCredits(limit)} here)`;
}
