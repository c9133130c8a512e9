import type { onRequestHookHandler } from 'fastify';
import { MeshError } from '../../lib/errors.ts';
import { archiveContract } from '../contract/archives.ts';
import { EITHER, principalOf } from '../principal.ts';
import type { RouteContext, Server } from '../route-context.ts';
import { ARCHIVE_TYPE, ARCHIVE_TYPES } from '../schemas/archives.ts';
import { compileValidator } from '../validation.ts';
import { whileOpen } from '../while-open.ts';

/** An archive is held in memory as a whole here; the command line verifies larger ones from their files. */
const ARCHIVE_BYTES = 64 * 1024 * 1024;
/** Archives at work at a time: each may be there twice, and has a thread whose memory has a bound of its own. */
const MAX_AT_WORK = 4;

export function archiveRoutes(app: Server, context: RouteContext): void {
  // A scope of its own: no other route takes bodies that are not JSON.
  app.register(async (scope: Server) => {
    scope.addHook('onRequest', oneOf(MAX_AT_WORK));
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      [...ARCHIVE_TYPES],
      { parseAs: 'buffer', bodyLimit: ARCHIVE_BYTES },
      async (_request: unknown, body: Buffer) => body,
    );
    scope.addContentTypeParser('*', async () => {
      throw new MeshError(
        'invalid_request',
        `The body must be an archive, with "Content-Type: ${ARCHIVE_TYPE}".`,
      );
    });
    sealRoute(scope, context);
    verifyRoute(scope, context);
  });
}

function sealRoute(app: Server, { components: { archives }, submissions }: RouteContext): void {
  app.get(
    '/api/workflows/:id/archive',
    { config: { scopes: EITHER }, schema: archiveContract['GET /api/workflows/:id/archive'] },
    async (request, reply) => {
      const { id } = request.params;
      const { recipient: recipients = [] } = request.query;
      submissions.checkChain(principalOf(request), id);
      const { bytes, archiveId } = await archives.sealWorkflow(id, {
        recipients,
        signal: whileOpen(reply.raw),
      });
      return reply
        .type(ARCHIVE_TYPE)
        .header('content-disposition', `attachment; filename="${id}.capsule"`)
        .header('x-archive-id', archiveId)
        .send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    },
  );
}

function verifyRoute(app: Server, { components: { archives } }: RouteContext): void {
  app.post(
    '/api/archives/verify',
    {
      bodyLimit: ARCHIVE_BYTES,
      // The bytes are not JSON: only what stands in the address is checked against a schema.
      validatorCompiler: (part) =>
        part.httpPart === 'body' ? (value) => ({ value }) : compileValidator(part),
      config: { scopes: EITHER },
      schema: archiveContract['POST /api/archives/verify'],
    },
    async ({ body, query: { allowlist, strict = false } }, reply) => {
      if (!Buffer.isBuffer(body)) throw new MeshError('invalid_request', 'There is no archive in the body.');
      const signal = whileOpen(reply.raw);
      const options = { strict, signal, ...(allowlist !== undefined && { allowlist }) };
      return archives.verify(body, options);
    },
  );
}

/** Lets so many requests in at a time; the next one is told to come back. */
function oneOf(limit: number): onRequestHookHandler {
  let atWork = 0;
  return (_request, reply, done) => {
    if (atWork >= limit) {
      done(new MeshError('busy', `This node works on ${limit} archives already.`));
      return;
    }
    atWork += 1;
    reply.raw.once('close', () => {
      atWork -= 1;
    });
    done();
  };
}
