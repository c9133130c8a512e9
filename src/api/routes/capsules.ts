import { Type } from 'typebox';
import { CapabilityName, closed, Hex32, Identity, NodeId } from '../../../protocols/common/v1/schema.ts';
import { checkOf } from '../../lib/check.ts';
import { MeshError } from '../../lib/errors.ts';
import type { ApiComponents } from '../components.ts';
import { prepareRetry } from '../retry.ts';
import type { RouteContext, Server } from '../route-context.ts';
import { CapsuleDraft, CapsuleRecord, CapsuleStatus, CapsuleViewRef, Decision } from '../schemas/capsules.ts';
import { described, list, page, paging, refusals } from '../schemas/shared.ts';
import { compileValidator } from '../validation.ts';
import { viewOf } from '../view.ts';
import { waitForEnd } from '../wait.ts';

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
  const { capsules, store } = context.components;

  app.post(
    '/api/capsules',
    {
      validatorCompiler: (part) => (part.httpPart === 'body' ? () => true : compileValidator(part)),
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
    async ({ body, query: { executor, wait } }, reply) => {
      const only = executor === undefined ? {} : { executor };
      const { id } = isSigned(body)
        ? await capsules.submit(body, only)
        : await capsules.submit(sign(context.components, body), { ...only, signedHere: true });
      const ended = wait ? await waitForEnd(context, id, wait, reply.raw) : undefined;
      reply.header('location', `/api/capsules/${id}`);
      return ended === undefined ? reply.code(202).send({ id }) : reply.code(200).send(ended);
    },
  );

  app.get(
    '/api/capsules',
    {
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
    async ({ query: { capability, origin, parent, ...rest } }) => {
      const { items, cursor } = await store.list({
        ...rest,
        ...(capability !== undefined && { requestedCapability: capability }),
        ...(origin !== undefined && { originIdentity: origin }),
        ...(parent !== undefined && { parentCapsule: parent }),
      });
      // The exchange's own state is no part of what is shown.
      return { items: items.map(({ life: _, ...record }) => record), cursor };
    },
  );

  app.get(
    '/api/capsules/:id',
    {
      schema: {
        operationId: 'getCapsule',
        summary: 'One capsule with its history, result and receipt.',
        params: byId,
        response: { 200: described('All that the node knows.', CapsuleViewRef), ...refusals },
      },
    },
    async ({ params: { id } }) => viewOf(capsules, id),
  );

  app.post(
    '/api/capsules/:id/cancel',
    {
      schema: {
        operationId: 'cancelCapsule',
        summary: 'Cancels it wherever it runs.',
        params: byId,
        response: { 202: described('The cancellation is on its way.', Submitted), ...refusals },
      },
    },
    async ({ params: { id } }, reply) => {
      await capsules.cancel(id);
      return reply.code(202).send({ id });
    },
  );

  app.post(
    '/api/capsules/:id/retry',
    {
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
    async ({ params, query: { executor, wait } }, reply) => {
      const { draft, retryOf, only } = await prepareRetry(
        context.components,
        context.init.identity,
        params.id,
      );
      const named = executor ?? only;
      const { id } = await capsules.submit(context.components.signDraft(draft), {
        signedHere: true,
        ...(named !== null && { executor: named }),
      });
      const ended = wait ? await waitForEnd(context, id, wait, reply.raw) : undefined;
      reply.header('location', `/api/capsules/${id}`);
      return ended === undefined ? reply.code(202).send({ id, retryOf }) : reply.code(200).send(ended);
    },
  );

  app.get(
    '/api/capsules/:id/decisions',
    {
      schema: {
        operationId: 'explainCapsule',
        summary: 'Why it went where it went.',
        params: byId,
        response: { 200: described('Oldest first.', list(Decision)), ...refusals },
      },
    },
    async ({ params: { id } }) => {
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
