import type { NextStep, StepPolicy } from '../../protocols/capsule/v1/schema.ts';
import { MeshError } from '../lib/errors.ts';
import type { ApiComponents } from './components.ts';
import type { CapsuleDraft, CapsuleView } from './schemas/capsules.ts';
import { viewOf } from './view.ts';
import { hasEnded } from './wait.ts';

type Components = Pick<ApiComponents, 'capsules' | 'workflows' | 'clock'>;

export interface Retry {
  draft: CapsuleDraft;
  /** What is submitted again: what was asked for, or the root of its chain. */
  retryOf: string;
  /** Only this node may execute it, as before. */
  only: string | null;
}

/**
 * What failed, to be signed and submitted once more: the same content under a new timestamp, with the lifetime that it had.
 * A step of a chain is made of its parent's result and no capsule of its own right, so the whole chain is submitted
 * again, from its root. Throws `not_found`, `permission_denied` where this node is not the origin, `conflict` where nothing failed.
 */
export async function prepareRetry(components: Components, identity: string, id: string): Promise<Retry> {
  const { capsules, workflows, clock } = components;
  const asked = await viewOf(capsules, id);
  if (asked.capsule.originIdentity !== identity)
    throw new MeshError('permission_denied', 'Only its origin can submit a capsule again.', {
      originIdentity: asked.capsule.originIdentity,
    });
  refuseUnlessFailed(asked, workflows.of(id)?.status);
  const root = asked.record.root === id ? asked : await viewOf(capsules, asked.record.root);
  const { id: _, signature, signer, lineage, parentCapsule, chainDepth, ...content } = root.capsule;
  // Its clock may have been ahead of the present one; the same timestamp would give the same capsule.
  const timestamp = Math.max(clock.now(), content.timestamp + 1);
  const later = timestamp - content.timestamp;
  const draft = {
    ...content,
    timestamp,
    executionPolicy: postponed(content.executionPolicy, later),
    next: content.next === null ? null : content.next.map((step) => postponedStep(step, later)),
  };
  return { draft, retryOf: root.id, only: root.only };
}

/** A root that completed has failed where a step of its chain did. */
function refuseUnlessFailed({ id, status, record }: CapsuleView, workflow: string | undefined): void {
  if (!hasEnded({ status }) || workflow === 'executing')
    throw new MeshError('conflict', 'The capsule, or its chain, is still under way; cancel it, or wait.');
  const failed = status === 'failed' || (record.root === id && workflow === 'failed');
  if (!failed) throw new MeshError('conflict', 'The capsule completed; only what failed is submitted again.');
}

function postponed<P extends StepPolicy>(policy: P | null, later: number): P | null {
  if (policy?.expiresAt === undefined) return policy;
  return { ...policy, expiresAt: policy.expiresAt + later };
}

function postponedStep(step: NextStep, later: number): NextStep {
  const { executionPolicy, next } = step;
  return {
    ...step,
    ...(executionPolicy && { executionPolicy: postponed(executionPolicy, later) }),
    ...(next && { next: next.map((each) => postponedStep(each, later)) }),
  };
}
