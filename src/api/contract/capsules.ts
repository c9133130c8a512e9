import { Type } from 'typebox';
import { CapabilityName, closed, Hex32, Identity, NodeId } from '../../../protocols/common/v1/schema.ts';
import { CapsuleRecord, CapsuleStatus, CapsuleViewRef, Decision } from '../schemas/capsules.ts';
import { described, list, page, paging, refusals } from '../schemas/shared.ts';

/** Longest wait for an outcome in one request; a client that wants longer follows the events. */
const MAX_WAIT_MS = 600_000;

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
/** Checked by the route itself, by the capsule's own check or the draft's, so that each refusal has the design's code. */
const CapsuleOrDraft = Type.Unsafe<unknown>({ anyOf: [{ $ref: 'Capsule#' }, { $ref: 'CapsuleDraft#' }] });

export const capsuleContract = {
  'POST /api/capsules': {
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
  'GET /api/capsules': {
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
  'GET /api/capsules/:id': {
    operationId: 'getCapsule',
    summary: 'One capsule with its history, result and receipt.',
    params: byId,
    response: { 200: described('All that the node knows.', CapsuleViewRef), ...refusals },
  },
  'POST /api/capsules/:id/cancel': {
    operationId: 'cancelCapsule',
    summary: 'Cancels it wherever it runs.',
    params: byId,
    response: { 202: described('The cancellation is on its way.', Submitted), ...refusals },
  },
  'POST /api/capsules/:id/retry': {
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
  'GET /api/capsules/:id/decisions': {
    operationId: 'explainCapsule',
    summary: 'Why it went where it went.',
    params: byId,
    response: { 200: described('Oldest first.', list(Decision)), ...refusals },
  },
};
