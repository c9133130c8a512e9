import { checkOf } from '../../lib/check.ts';
import { MeshError } from '../../lib/errors.ts';
import type { ApiComponents } from '../components.ts';
import { capsuleContract } from '../contract/capsules.ts';
import { EITHER, principalOf, RUNNERS } from '../principal.ts';
import { prepareRetry } from '../retry.ts';
import type { RouteContext, Server } from '../route-context.ts';
import { CapsuleDraft } from '../schemas/capsules.ts';
import { compileValidator } from '../validation.ts';
import { viewOf } from '../view.ts';
import { waitForEnd } from '../wait.ts';
import { whileOpen } from '../while-open.ts';

const draftCheck = checkOf(CapsuleDraft);

export function capsuleRoutes(app: Server, context: RouteContext): void {
  const { submissions, components } = context;
  const { capsules, store } = components;

  app.post(
    '/api/capsules',
    {
      validatorCompiler: (part) => (part.httpPart === 'body' ? () => true : compileValidator(part)),
      config: { scopes: RUNNERS },
      schema: capsuleContract['POST /api/capsules'],
    },
    async (request, reply) => {
      const { body } = request;
      const { executor, wait } = request.query;
      const caller = principalOf(request);
      const only = executor === undefined ? {} : { executor };
      const { id } = isSigned(body)
        ? await submissions.submit(caller, body, only)
        : await submissions.submit(caller, sign(components, body), { ...only, signedHere: true });
      // Another's capsule that is submitted again gives its id, and nothing that came of it.
      const mine = submissions.seesEvent(caller, { capsuleId: id });
      const ended = wait && mine ? await waitForEnd(context, caller, id, wait, reply.raw) : undefined;
      reply.header('location', `/api/capsules/${id}`);
      return ended === undefined
        ? reply.code(202).send({ id })
        : reply.code(200).send(submissions.shown(ended));
    },
  );

  app.get(
    '/api/capsules',
    { config: { scopes: EITHER }, schema: capsuleContract['GET /api/capsules'] },
    async (request, reply) => {
      const caller = principalOf(request);
      const { capability, origin, parent, ...rest } = request.query;
      const { items, cursor } = await store.list({
        ...rest,
        signal: whileOpen(reply.raw),
        ...(capability !== undefined && { requestedCapability: capability }),
        ...(origin !== undefined && { originIdentity: origin }),
        ...(parent !== undefined && { parentCapsule: parent }),
      });
      // The exchange's own state is no part of what is shown.
      const seen = items.filter((row) => submissions.sees(caller, row));
      const shown = seen.map(({ life: _, ...record }) => ({
        ...record,
        principal: submissions.principalOf(record),
      }));
      return { items: shown, cursor };
    },
  );

  app.get(
    '/api/capsules/:id',
    { config: { scopes: EITHER }, schema: capsuleContract['GET /api/capsules/:id'] },
    async (request) => {
      submissions.check(principalOf(request), request.params.id);
      return submissions.shown(await viewOf(capsules, request.params.id));
    },
  );

  app.post(
    '/api/capsules/:id/cancel',
    { config: { scopes: RUNNERS }, schema: capsuleContract['POST /api/capsules/:id/cancel'] },
    async (request, reply) => {
      const { id } = request.params;
      submissions.check(principalOf(request), id);
      await capsules.cancel(id);
      return reply.code(202).send({ id });
    },
  );

  app.post(
    '/api/capsules/:id/retry',
    { config: { scopes: RUNNERS }, schema: capsuleContract['POST /api/capsules/:id/retry'] },
    async (request, reply) => {
      const { executor, wait } = request.query;
      const caller = principalOf(request);
      submissions.checkChain(caller, request.params.id);
      const { identity } = context.init;
      const { draft, retryOf, only } = await prepareRetry(components, identity, request.params.id);
      const named = executor ?? only;
      const { id } = await submissions.submit(caller, components.signDraft(draft), {
        signedHere: true,
        ...(named !== null && { executor: named }),
      });
      const ended = wait ? await waitForEnd(context, caller, id, wait, reply.raw) : undefined;
      reply.header('location', `/api/capsules/${id}`);
      return ended === undefined
        ? reply.code(202).send({ id, retryOf })
        : reply.code(200).send(submissions.shown(ended));
    },
  );

  app.get(
    '/api/capsules/:id/decisions',
    { config: { scopes: EITHER }, schema: capsuleContract['GET /api/capsules/:id/decisions'] },
    async (request) => {
      const { id } = request.params;
      submissions.check(principalOf(request), id);
      await viewOf(capsules, id);
      return { items: capsules.explain(id) };
    },
  );
}

function isSigned(body: unknown): boolean {
  return typeof body === 'object' && body !== null && Object.hasOwn(body, 'signature');
}

function sign(components: ApiComponents, body: unknown): unknown {
  if (draftCheck.accepts(body)) return components.signDraft(body);
  throw new MeshError('invalid_capsule', `The capsule is not valid: ${draftCheck.explain(body)}.`);
}
