import { Type } from 'typebox';
import { LIMITS } from '../../../protocols/common/v1/limits.ts';
import { CapabilityName, closed, TimestampMs } from '../../../protocols/common/v1/schema.ts';
import { fromMicro, toMicro } from '../../capsule/credits.ts';
import { type PrincipalRecord, SCOPES } from '../principal.ts';
import type { RouteContext, Server } from '../route-context.ts';
import { described, page, refusals, slicing } from '../schemas/shared.ts';
import { Token } from '../schemas/tokens.ts';
import { pageOf } from '../slices.ts';

/** Capabilities that one token may name. */
const MAX_CAPABILITIES = 64;

const Name = Type.String({
  pattern: '^[a-z0-9][a-z0-9._-]{0,62}$',
  description: 'Whose it is, such as `editor`; what it submits is known by this name.',
});
const TokenDraft = Type.Object(
  {
    name: Name,
    scope: Type.Enum([...SCOPES], {
      description:
        '`read` sees everything; `run` submits, and sees what came of that; `admin` does all but this.',
    }),
    capabilities: Type.Optional(
      Type.Array(CapabilityName, {
        minItems: 1,
        maxItems: MAX_CAPABILITIES,
        description: 'All that it may ask for. Without it, anything.',
      }),
    ),
    spendPerDay: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: LIMITS.maxAmountCredits,
        description:
          'Credits that its capsules may cost in one day (UTC). Without it none for `run`, any for `admin`.',
      }),
    ),
    expiresAt: Type.Optional({ ...TimestampMs, description: 'Opens nothing from then on.' }),
  },
  closed,
);
const Created = Type.Object({
  ...Token.properties,
  token: Type.String({ description: 'Told here and never again.' }),
});

/** For the owner alone: a token that could make tokens would outlive its own revocation. */
export function tokenRoutes(
  app: Server,
  { components: { principals }, quotas, followers }: RouteContext,
): void {
  const config = { ownerOnly: true };
  const shown = ({ microSpendPerDay, microSpentToday, capabilities, ...rest }: PrincipalRecord) => ({
    ...rest,
    capabilities: capabilities === null ? null : [...capabilities],
    spendPerDay: microSpendPerDay === null ? null : fromMicro(microSpendPerDay),
    spentToday: fromMicro(microSpentToday),
    underWay: quotas.held(rest.name),
  });

  app.get(
    '/api/tokens',
    {
      config,
      schema: {
        operationId: 'listTokens',
        summary: 'Tokens beside the owner’s, by name; what they are is not told.',
        querystring: Type.Object(slicing, closed),
        response: { 200: described('One page.', page(Token)), ...refusals },
      },
    },
    async ({ query }) => pageOf(principals.list().map(shown), query),
  );

  app.post(
    '/api/tokens',
    {
      config,
      schema: {
        operationId: 'createToken',
        summary: 'A token for a tool or another person.',
        body: TokenDraft,
        response: { 201: described('The token, once.', Created), ...refusals },
      },
    },
    async ({ body: { name, scope, capabilities = null, spendPerDay, expiresAt = null } }, reply) => {
      const unsaid = scope === 'admin' ? null : 0;
      const microSpendPerDay = spendPerDay === undefined ? unsaid : toMicro(spendPerDay);
      const { principal, token } = await principals.create({
        name,
        scope,
        capabilities,
        microSpendPerDay,
        expiresAt,
      });
      return reply.code(201).send({ ...shown(principal), token });
    },
  );

  app.delete(
    '/api/tokens/:name',
    {
      config,
      schema: {
        operationId: 'revokeToken',
        summary: 'Its token opens nothing any more; what it submitted goes on.',
        params: Type.Object({ name: Name }),
        response: { 200: described('As it was.', Token), ...refusals },
      },
    },
    async ({ params: { name } }) => {
      const revoked = await principals.revoke(name);
      followers.releaseOf(name);
      return shown(revoked);
    },
  );
}
