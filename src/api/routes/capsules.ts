import { Type } from 'typebox';
import { CapabilityName, closed, Hex32, Identity, NodeId } from '../../../protocols/common/v1/schema.ts';
import { checkOf } from '../../lib/check.ts';
import { MeshError } from '../../lib/errors.ts';
import type { ApiComponents } from '../components.ts';
import { EITHER, principalOf, RUNNERS } from '../principal.ts';
import { prepareRetry } from '../retry.ts';
import type { RouteContext, Server } from '../route-context.ts';
import { CapsuleDraft, CapsuleRecord, CapsuleStatus, CapsuleViewRef, Decision } from '../schemas/capsules.ts';
import { described, list, page, paging, refusals } from '../schemas/shared.ts';
import { compileValidator } from '../validation.ts';
import { viewOf } from '../view.ts';
import { waitForEnd } from '../wait.ts';
import { whileOpen } from '../while-open.ts';

/** Longest wait for an outcome in one request; a client that wants longer follows the events. */
const MAX_WAIT_MS = 600_000;

const draftCheck = checkOf(CapsuleDraft);
const byId = Type.Object({ id: Hex32 });
const Submitted = Type.Object({ id: Hex32 });
const Retried = Type.Object({
  id: Hex32,
  retryOf: { ...Hex32, description: 'What was submitted again: of a step of a chain, the root.' },
});
const submission = Type.Object(
  {
    executor: Type.Optional({ ...NodeId, description: 'Only this node may execute it.' }),
    wait: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: MAX_WAIT_MS,
        description: 'Milliseconds to wait for the outcome.',
      }),
    ),
  },
  closed,
);
/** Checked below, by the capsule's own check or the draft's, so that each refusal has the design's code. */
const CapsuleOrDraft = Type.Unsafe<unknown>({ anyOf: [{ $ref: 'Capsule#' }, { $ref: 'CapsuleDraft#' }] });

export function capsuleRoutes(app: Server, context: RouteContext): void {
  const { submissions, components } = context;
  const { capsules, store } = components;

  app.post(
    '/api/capsules',
    {
      validatorCompiler: (part) => (part.httpPart === 'body' ? () => true : compileValidator(part)),
      config: { scopes: RUNNERS },
      schema: {
        operationId: 'submitCapsule',
        summary:
          'Submits a signed capsule, or a draft for the node to sign. The same capsule twice gives the same id.',
        body: CapsuleOrDraft,
        querystring: submission,
        response: {
          200: described('It ended while the caller waited.', CapsuleViewRef),
          202: described('It is stored durably.', Submitted),
          ...refusals,
        },
      },
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
    {
      config: { scopes: EITHER },
      schema: {
        operationId: 'listCapsules',
        summary: 'What the node stores, newest first.',
        querystring: Type.Object(
          {
            id: Type.Optional(
              Type.String({
                pattern: '^…?[0-9a-f]{1,64}$',
                description: 'Beginning of an id, or, after “…”, its end.',
              }),
            ),
            status: Type.Optional(CapsuleStatus),
            capability: Type.Optional(CapabilityName),
            origin: Type.Optional(Identity),
            root: Type.Optional({ ...Hex32, description: 'Of one workflow.' }),
            parent: Type.Optional(Hex32),
            ...paging,
          },
          closed,
        ),
        response: { 200: described('One page.', page(CapsuleRecord)), ...refusals },
      },
    },
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
    {
      config: { scopes: EITHER },
      schema: {
        operationId: 'getCapsule',
        summary: 'One capsule with its history, result and receipt.',
        params: byId,
        response: { 200: described('All that the node knows.', CapsuleViewRef), ...refusals },
      },
    },
    async (request) => {
      submissions.check(principalOf(request), request.params.id);
      return submissions.shown(await viewOf(capsules, request.params.id));
    },
  );

  app.post(
    '/api/capsules/:id/cancel',
    {
      config: { scopes: RUNNERS },
      schema: {
        operationId: 'cancelCapsule',
        summary: 'Cancels it wherever it runs.',
        params: byId,
        response: { 202: described('The cancellation is on its way.', Submitted), ...refusals },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      submissions.check(principalOf(request), id);
      await capsules.cancel(id);
      return reply.code(202).send({ id });
    },
  );

  app.post(
    '/api/capsules/:id/retry',
    {
      config: { scopes: RUNNERS },
      schema: {
        operationId: 'retryCapsule',
        summary:
          'Submits again what failed: the same content under a new id. Of a chain all of it is, from its root.',
        params: byId,
        querystring: submission,
        response: {
          200: described('It ended while the caller waited.', CapsuleViewRef),
          202: described('It is stored durably.', Retried),
          ...refusals,
        },
      },
    },
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
    {
      config: { scopes: EITHER },
      schema: {
        operationId: 'explainCapsule',
        summary: 'Why it went where it went.',
        params: byId,
        response: { 200: described('Oldest first.', list(Decision)), ...refusals },
      },
    },
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
