import { fromMicro, toMicro } from '../../capsule/credits.ts';
import { tokenContract } from '../contract/tokens.ts';
import type { PrincipalRecord } from '../principal.ts';
import type { RouteContext, Server } from '../route-context.ts';
import { pageOf } from '../slices.ts';

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

  app.get('/api/tokens', { config, schema: tokenContract['GET /api/tokens'] }, async ({ query }) =>
    pageOf(principals.list().map(shown), query),
  );

  app.post(
    '/api/tokens',
    { config, schema: tokenContract['POST /api/tokens'] },
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
    { config, schema: tokenContract['DELETE /api/tokens/:name'] },
    async ({ params: { name } }) => {
      const revoked = await principals.revoke(name);
      followers.releaseOf(name);
      return shown(revoked);
    },
  );
}
