import { Type } from 'typebox';
import { closed } from '../../../protocols/common/v1/schema.ts';
import { MeshError } from '../../lib/errors.ts';
import { addressWith } from '../access.ts';
import type { RouteContext, Server } from '../route-context.ts';
import { described, refusals } from '../schemas/shared.ts';

const Code = Type.String({ minLength: 1, maxLength: 128 });
const Session = Type.Object({
  token: Type.String({ description: 'A bearer token with all of the owner’s rights.' }),
  expiresInMs: Type.Integer(),
});

/** A browser's way in: the printed address carries a one-time code, which the page exchanges for a token of its own. */
export function sessionRoutes(app: Server, { access, init }: RouteContext): void {
  app.post(
    '/api/sessions',
    {
      config: { open: true },
      schema: {
        operationId: 'createSession',
        summary: 'Exchanges a one-time code for a token, which holds for seven days or until the node stops.',
        security: [],
        body: Type.Object({ code: Code }, closed),
        response: { 201: described('The page keeps it.', Session), ...refusals },
      },
    },
    async ({ body: { code } }, reply) => {
      const session = access.redeem(code);
      if (session === undefined)
        throw new MeshError('unauthorized', 'This address was used already, or is too old.');
      return reply.code(201).send(session);
    },
  );

  app.post(
    '/api/session-codes',
    {
      config: { ownerOnly: true },
      schema: {
        operationId: 'createSessionCode',
        summary: 'A one-time code for a browser.',
        response: {
          201: described(
            'Works once, within an hour.',
            Type.Object({
              code: Type.String(),
              url: Type.String({ description: 'The address to open in a browser.' }),
            }),
          ),
          ...refusals,
        },
      },
    },
    async (request, reply) => {
      const code = access.issueCode();
      const url = addressWith(code, init.publicUrl ?? `${request.protocol}://${request.host}`);
      return reply.code(201).send({ code, url });
    },
  );
}
