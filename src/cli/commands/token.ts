import { InvalidArgumentError } from 'commander';
import { SCOPES } from '../../api/principal.ts';
import { systemClock } from '../../lib/clock.ts';
import { command, group, listing, query } from '../command.ts';
import { credits, time } from '../format.ts';
import { arg, choice, option, required, several } from '../option.ts';
import { durationOf, NODE } from '../options.ts';
import { findNode } from '../target.ts';

const create = command({
  name: 'create',
  about: 'make a token for a tool or another person; it is shown once',
  args: [arg('<name>', 'whose it is; what it submits is known by this name')],
  options: {
    scope: required(
      choice(
        '<scope>',
        'read: see everything; run: submit, and see what came of that; admin: all but tokens',
        SCOPES,
      ),
    ),
    capability: several('<id>', 'all that it may ask for; may be repeated (default: anything)'),
    spend: option('<n/day>', 'credits that it may spend a day (default: none for run)', spendPerDay),
    expires: option('<when>', 'after 30m, 12h or 90d, or at a date such as 2027-01-31', expiry),
    ...NODE,
  },
  examples: ['capsule token create editor --scope run --capability ai.chat --spend 10/day --expires 90d'],
  async run(cli, options, name) {
    const { scope, capability: capabilities, spend: spendPerDay, expires: expiresAt } = options;
    const client = await findNode(cli.io, options);
    const created = await client.request('POST /api/tokens', {
      body: {
        name,
        scope,
        ...(capabilities !== undefined && { capabilities }),
        ...(spendPerDay !== undefined && { spendPerDay }),
        ...(expiresAt !== undefined && { expiresAt }),
      },
    });
    cli.answer(options, created, () => created.token);
    if (!options.json) cli.note('This is the only time that it is shown.');
  },
});

const list = listing({
  name: 'list',
  about: 'tokens beside the owner’s, and what each may do',
  examples: ['capsule token list'],
  route: 'GET /api/tokens',
  columns: {
    NAME: (each) => each.name,
    SCOPE: (each) => each.scope,
    CAPABILITIES: (each) => each.capabilities?.join(', ') ?? 'any',
    'SPENT TODAY': (each) =>
      each.spendPerDay === null ? 'any' : `${String(each.spentToday)} of ${credits(each.spendPerDay)}`,
    'UNDER WAY': (each) => String(each.underWay),
    'EXPIRES (UTC)': (each) => (each.expiresAt === null ? 'never' : time(each.expiresAt)),
  },
  empty: 'The owner’s token is the only one.',
});

const revoke = query({
  name: 'revoke',
  about: 'from now on it opens nothing; what it submitted goes on',
  args: [arg('<name>', 'as in the list')],
  examples: ['capsule token revoke editor'],
  ask: (client, _, name) => client.request('DELETE /api/tokens/:name', { params: { name } }),
  show: ({ name }) => `revoked: ${name}`,
});

export const token = group(
  { name: 'token', about: 'who may call this node beside its owner', examples: ['capsule token list'] },
  [create, list, revoke],
);

/** `10` and `10/day`. */
function spendPerDay(text: string): number {
  const [, number] = /^(\d+(?:\.\d{1,6})?)(?:\/day)?$/.exec(text) ?? [];
  if (number !== undefined) return Number(number);
  throw new InvalidArgumentError('It must be a number of credits, such as 10 or 10/day.');
}

/** ms since the epoch of `90d`, `12h`, `30m` from now, or of a date. */
function expiry(text: string): number {
  const later = /\d[mhd]$/.test(text) ? systemClock.now() + durationOf(text) : Number.NaN;
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Math.round(later);
  if (Number.isFinite(at)) return at;
  throw new InvalidArgumentError('It must be 30m, 12h, 90d, or a date such as 2027-01-31.');
}
