import { type Command, InvalidArgumentError, Option } from 'commander';
import { SCOPES } from '../../api/principal.ts';
import type { Token } from '../../api/schemas/tokens.ts';
import type { Page } from '../../store/types.ts';
import { type Cli, withExample } from '../cli.ts';
import { credits, type Layout, table, time } from '../format.ts';
import { furtherPages, type PageOptions, several, withPages } from '../options.ts';
import { findNode, type NodeOptions, withNode } from '../target.ts';

interface CreateOptions extends NodeOptions {
  scope: string;
  capability?: string[];
  spend?: number;
  expires?: number;
}

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

export function addToken(program: Command, cli: Cli): void {
  const group = program.command('token').description('who may call this node beside its owner');
  withExample(group, 'capsule token list');

  const create = group
    .command('create')
    .description('make a token for a tool or another person; it is shown once')
    .argument('<name>', 'whose it is; what it submits is known by this name')
    .addOption(
      new Option(
        '--scope <scope>',
        'read: see everything; run: submit, and see what came of that; admin: all but tokens',
      )
        .choices([...SCOPES])
        .makeOptionMandatory(),
    )
    .option('--capability <id>', 'all that it may ask for; may be repeated (default: anything)', several)
    .option('--spend <n/day>', 'credits that it may spend a day (default: none for run)', spendPerDay)
    .option('--expires <when>', 'after 30m, 12h or 90d, or at a date such as 2027-01-31', expiry);
  withExample(
    withNode(create),
    'capsule token create editor --scope run --capability ai.chat --spend 10/day --expires 90d',
  ).action(async (name: string, { scope, capability, spend, expires, ...options }: CreateOptions) => {
    const client = await findNode(cli.io, options);
    const body = { name, scope, capabilities: capability, spendPerDay: spend, expiresAt: expires };
    const created = await client.request<Token & { token: string }>('/api/tokens', { method: 'POST', body });
    cli.answer(options, created, () => created.token);
    if (!options.json) cli.note('This is the only time that it is shown.');
  });

  const list = group.command('list').description('tokens beside the owner’s, and what each may do');
  withExample(withNode(withPages(list)), 'capsule token list').action(
    async (options: NodeOptions & PageOptions) => {
      const client = await findNode(cli.io, options);
      const { limit, cursor } = options;
      const page = await client.request<Page<Token>>('/api/tokens', { query: { limit, cursor } });
      cli.answer(options, page, (layout) => showTokens(page, layout));
    },
  );

  const revoke = group
    .command('revoke')
    .description('from now on it opens nothing; what it submitted goes on')
    .argument('<name>', 'as in the list');
  withExample(withNode(revoke), 'capsule token revoke editor').action(
    async (name: string, options: NodeOptions) => {
      const client = await findNode(cli.io, options);
      const path = `/api/tokens/${encodeURIComponent(name)}`;
      const revoked = await client.request<Token>(path, { method: 'DELETE' });
      cli.answer(options, revoked, () => `revoked: ${revoked.name}`);
    },
  );
}

function showTokens({ items, cursor }: Page<Token>, layout: Layout): string {
  const rows = items.map((token) => [
    token.name,
    token.scope,
    token.capabilities?.join(', ') ?? 'any',
    token.spendPerDay === null ? 'any' : `${String(token.spentToday)} of ${credits(token.spendPerDay)}`,
    String(token.underWay),
    token.expiresAt === null ? 'never' : time(token.expiresAt),
  ]);
  const heading = ['NAME', 'SCOPE', 'CAPABILITIES', 'SPENT TODAY', 'UNDER WAY', 'EXPIRES (UTC)'];
  const lines = table(heading, rows, 'The owner’s token is the only one.', layout);
  return lines + furtherPages({ cursor });
}

/** `10` and `10/day`. */
function spendPerDay(text: string): number {
  const [, number] = /^(\d+(?:\.\d{1,6})?)(?:\/day)?$/.exec(text) ?? [];
  if (number !== undefined) return Number(number);
  throw new InvalidArgumentError('It must be a number of credits, such as 10 or 10/day.');
}

/** ms since the epoch of `90d`, `12h`, `30m` from now, or of a date. */
function expiry(text: string): number {
  const [, count, unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const unitMs = UNIT_MS.get(unit);
  if (count !== undefined && unitMs !== undefined) return Date.now() + Number(count) * unitMs;
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isFinite(at)) return at;
  throw new InvalidArgumentError('It must be 30m, 12h, 90d, or a date such as 2027-01-31.');
}
