import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { Static } from 'typebox';
import type { Credits, LedgerEntry, LedgerVerification, Reconciliation } from '../../api/schemas/credits.ts';
import type { Page } from '../../store/types.ts';
import { type Cli, withExample } from '../cli.ts';
import { EXIT } from '../failure.ts';
import { credits, type Layout, plural, table, time } from '../format.ts';
import { accountId, nodeId } from '../ids.ts';
import { amount, furtherPages, type PageOptions, withPages } from '../options.ts';
import { findNode, type NodeOptions, withNode } from '../target.ts';

/** ms for what walks the whole book. */
const WALK_TIMEOUT_MS = 600_000;

export function addCredits(program: Command, cli: Cli): void {
  const group = program.command('credits').description('the ledger: balances, bookings, proof');
  withExample(group, 'capsule credits', 'capsule credits history --limit 10');

  withExample(
    withNode(withPages(group.command('show', { isDefault: true }).description('every account’s balance'))),
    'capsule credits show',
  ).action(async (options: NodeOptions & PageOptions) => {
    const client = await findNode(cli.io, options);
    const { limit, cursor } = options;
    const book = await client.request<Static<typeof Credits>>('/api/credits', { query: { limit, cursor } });
    cli.answer(options, book, (layout) => showBook(book, layout));
  });

  const history = group
    .command('history')
    .description('what was booked, newest first')
    .option('--account <account>', 'only of this identity or node');
  withExample(withNode(withPages(history)), 'capsule credits history').action(
    async (options: NodeOptions & PageOptions & { account?: string }) => {
      const client = await findNode(cli.io, options);
      const { limit, cursor } = options;
      const account = options.account && (await accountId(client, options.account));
      const page = await client.request<Page<Static<typeof LedgerEntry>>>('/api/credits/history', {
        query: { account, limit, cursor },
      });
      cli.answer(options, page, (layout) => showHistory(page.items, layout) + furtherPages(page));
    },
  );

  const grant = group
    .command('grant')
    .description('give an account credit at this node')
    .argument('<account>', 'an identity or a node id')
    .argument('<n>', 'credits', amount);
  withExample(withNode(grant), 'capsule credits grant 12D3KooW… 100').action(
    async (typed: string, credit: number, options: NodeOptions) => {
      const client = await findNode(cli.io, options);
      const account = await accountId(client, typed);
      const body = { account, amount: credit, id: randomUUID() };
      const granted = await client.request<{ reference: string; account: string; balance: number }>(
        '/api/credits/grants',
        { method: 'POST', body },
      );
      cli.answer(options, granted, () => `${granted.account} has ${credits(granted.balance)} now`);
    },
  );

  withExample(
    withNode(group.command('verify').description('recompute every hash, link and balance')),
    'capsule credits verify',
  ).action(async (options: NodeOptions) => {
    const client = await findNode(cli.io, options);
    const found = await client.request<Static<typeof LedgerVerification>>('/api/credits/verify', {
      timeoutMs: WALK_TIMEOUT_MS,
    });
    if (!found.ok) cli.exitCode = EXIT.failed;
    cli.answer(options, found, () =>
      [
        `${found.ok ? 'in order' : 'NOT in order'}: ${plural(found.entries, 'entry')}`,
        ...found.problems,
      ].join('\n'),
    );
  });

  const reconcile = group
    .command('reconcile')
    .description('compare this book with another node’s')
    .argument('<node>', 'the other node’s id');
  withExample(withNode(reconcile), 'capsule credits reconcile 12D3KooW…').action(
    async (typed: string, options: NodeOptions) => {
      const client = await findNode(cli.io, options);
      const node = await nodeId(client, 'The node', typed);
      const found = await client.request<Reconciliation>(
        `/api/credits/reconcile/${encodeURIComponent(node)}`,
        {
          timeoutMs: WALK_TIMEOUT_MS,
        },
      );
      if (!found.agree) cli.exitCode = EXIT.failed;
      cli.answer(options, found, () => showReconciliation(found));
    },
  );
}

function showBook({ identity, limit, accounts, cursor }: Static<typeof Credits>, layout: Layout): string {
  const rows = accounts.map(({ account, balance, disputed }) => [
    account,
    balance.toFixed(6),
    account === identity
      ? 'this node'
      : account === 'operator'
        ? 'granted'
        : disputed > 0
          ? `disputes ${disputed.toFixed(6)}`
          : '',
  ]);
  return `${table(['ACCOUNT', 'BALANCE', ''], rows, 'Nothing was booked yet.', layout)}${furtherPages({ cursor })}\n(an account may owe up to ${credits(limit)} here)`;
}

function showHistory(entries: readonly Static<typeof LedgerEntry>[], layout: Layout): string {
  const rows = entries.map((entry) => [
    String(entry.sequence),
    time(entry.at),
    entry.amount.toFixed(6),
    entry.debit.slice(0, 16),
    entry.credit.slice(0, 16),
    entry.reference,
  ]);
  return table(['#', 'AT (UTC)', 'AMOUNT', 'FROM', 'TO', 'FOR'], rows, 'Nothing was booked yet.', layout);
}

function showReconciliation(found: Reconciliation): string {
  const heading = `${found.agree ? 'the books agree' : 'the books DIFFER'}: ${plural(found.entriesHere, 'entry')} here, ${String(found.entriesThere)} there`;
  return [
    heading,
    ...found.differences.map(({ reference, kind }) => `${kind.replaceAll('_', ' ')}: ${reference}`),
    ...(found.moreDifferences > 0 ? [`and ${found.moreDifferences} more`] : []),
  ].join('\n');
}
