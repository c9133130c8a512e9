import { Type } from 'typebox';
import { closed } from '../../../protocols/common/v1/schema.ts';
import { MeshError } from '../../lib/errors.ts';
import { addressWith, consolePage } from '../pages.ts';
import type { RouteContext, Server } from '../route-context.ts';
import { described, refusals } from '../schemas/shared.ts';

const Code = Type.String({ minLength: 1, maxLength: 128 });
const Session = Type.Object({
  token: Type.String({ description: 'A bearer token with all of the owner’s rights.' }),
  expiresInMs: Type.Integer(),
});

/** Where a person arrives: the printed address carries a one-time code, which the page exchanges for a token of its own. */
export function landingRoutes(app: Server, { components, access, init }: RouteContext): void {
  const { html, policy } = consolePage(components.crypto);

  app.get(
    '/',
    {
      config: { open: true },
      schema: {
        operationId: 'landing',
        summary: 'A page for a person, the same for everybody: it shows what its token opens.',
        security: [],
        response: {
          200: { description: 'The page.', content: { 'text/html': { schema: Type.String() } } },
          ...refusals,
        },
      },
    },
    async (_request, reply) =>
      reply.type('text/html; charset=utf-8').header('content-security-policy', policy).send(html),
  );

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
