import { MeshError } from '../../lib/errors.ts';
import { addressWith } from '../access.ts';
import { sessionContract } from '../contract/sessions.ts';
import type { RouteContext, Server } from '../route-context.ts';

/** A browser's way in: the printed address carries a one-time code, which the page exchanges for a token of its own. */
export function sessionRoutes(app: Server, { access, init }: RouteContext): void {
  app.post(
    '/api/sessions',
    { config: { open: true }, schema: sessionContract['POST /api/sessions'] },
    async ({ body: { code } }, reply) => {
      const session = access.redeem(code);
      if (session === undefined)
        throw new MeshError('unauthorized', 'This address was used already, or is too old.');
      return reply.code(201).send(session);
    },
  );

  app.post(
    '/api/session-codes',
    { config: { ownerOnly: true }, schema: sessionContract['POST /api/session-codes'] },
    async (request, reply) => {
      const code = access.issueCode();
      const url = addressWith(code, init.publicUrl ?? `${request.protocol}://${request.host}`);
      return reply.code(201).send({ code, url });
    },
  );
}
