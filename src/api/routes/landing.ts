import { Type } from 'typebox';
import { closed } from '../../../protocols/common/v1/schema.ts';
import { MeshError } from '../../lib/errors.ts';
import { errorPage, statusPage } from '../pages.ts';
import type { RouteContext, Server } from '../route-context.ts';
import { described, refusals } from '../schemas/shared.ts';

const html = (description: string) => ({
  description,
  content: { 'text/html': { schema: Type.String() } },
});

/** Where a person arrives: the printed address carries a one-time code, which begins the browser's session. */
export function landingRoutes(app: Server, { components, access }: RouteContext): void {
  app.get(
    '/',
    {
      config: { open: true },
      schema: {
        operationId: 'landing',
        summary: 'A page for a person; `code` begins a session.',
        security: [],
        querystring: Type.Object({ code: Type.Optional(Type.String({ maxLength: 128 })) }, closed),
        response: {
          200: html('The node’s status.'),
          303: html('To the same page without the code.'),
          401: html('How to get in.'),
          ...refusals,
        },
      },
    },
    async (request, reply) => {
      const { code } = request.query;
      reply.type('text/html; charset=utf-8');
      if (code !== undefined) {
        const begun = access.redeem(code);
        if (begun === undefined)
          return reply.code(401).send(errorPage('This address was used already, or is too old.'));
        reply.setCookie(access.cookieName, begun.session, {
          httpOnly: true,
          sameSite: 'strict',
          path: '/',
          maxAge: begun.maxAgeSeconds,
        });
        return reply.code(303).header('location', '/').send('');
      }
      try {
        access.check(request);
      } catch (error) {
        if (error instanceof MeshError) return reply.code(401).send(errorPage('This page needs a session.'));
        throw error;
      }
      return reply.send(statusPage(await components.node.status()));
    },
  );

  app.post(
    '/api/session-codes',
    {
      schema: {
        operationId: 'createSessionCode',
        summary: 'A one-time code for a browser: open `/?code=…`.',
        response: {
          201: described('Works once, within an hour.', Type.Object({ code: Type.String() })),
          ...refusals,
        },
      },
    },
    async (_request, reply) => reply.code(201).send({ code: access.issueCode() }),
  );
}
