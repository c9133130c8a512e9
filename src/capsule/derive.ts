import {
  CAPSULE_VERSION,
  type Capsule,
  type ExecutionPolicy,
  type NextStep,
  type UnsignedCapsule,
} from '../../protocols/capsule/v1/schema.ts';
import { DOMAINS, LIMITS } from '../../protocols/common/v1/limits.ts';
import type { Receipt } from '../../protocols/receipt/v1/schema.ts';
import type { Crypto, Signer } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';
import { hashCapsule } from './capsule.ts';
import { expiryOf } from './roles.ts';
import { hashJson, signHash } from './signing.ts';
import { applyTemplate } from './templates.ts';
import { validateCapsule } from './validate-capsule.ts';

/** All that a spawned capsule is a function of (protocol "Next steps"). */
export interface SpawnSource {
  parent: Capsule;
  /** Index into `parent.next`. */
  step: number;
  /** The receipt of the parent's execution, `completed`. */
  receipt: Receipt;
  /** What `receipt.resultHash` is the hash of. */
  result: unknown;
}

/**
 * The one capsule that this step of this execution gives, whoever derives it: spawning twice is spawning once. Pure;
 * whether the source is true is not its to judge. Throws `invalid_request` where there is no such step or no result,
 * `template_path_missing`, or `too_large`.
 */
export function deriveChild(crypto: Crypto, source: SpawnSource): { unsigned: UnsignedCapsule; id: string } {
  const { parent, receipt } = source;
  const step = stepOf(parent, source.step);
  const { payload, untrusted } = applyTemplate(step.payloadTemplate, source.result);
  const timestamp = receipt.finishedAt;
  const unsigned: UnsignedCapsule = {
    version: CAPSULE_VERSION,
    timestamp,
    originIdentity: parent.originIdentity,
    requestedCapability: step.requestedCapability,
    payload,
    paymentRule: step.paymentRule === undefined ? parent.paymentRule : step.paymentRule,
    privacyRule: parent.privacyRule,
    executionPolicy: policyOf(parent, step, timestamp),
    next: step.next ?? null,
    chainDepth: (parent.chainDepth ?? 0) + 1,
    parentCapsule: parent.id,
    lineage: {
      step: source.step,
      parent: parent.id,
      receipt: receipt.receiptHash,
      result: hashJson(crypto, source.result),
      paths: untrusted,
    },
  };
  return { unsigned, id: hashCapsule(crypto, unsigned) };
}

function stepOf(parent: Capsule, step: number): NextStep {
  const found = parent.next?.[step];
  if (found === undefined) throw new MeshError('invalid_request', `The capsule has no next step ${step}.`);
  return found;
}

/** The step's own policy, else the parent's; the submitter stays, and no child outlives its parent. */
function policyOf(parent: Capsule, step: NextStep, timestamp: number): ExecutionPolicy {
  const { submitter, ...inherited } = parent.executionPolicy ?? {};
  const own = step.executionPolicy === undefined ? inherited : (step.executionPolicy ?? {});
  const latest = Math.min(expiryOf(parent), timestamp + LIMITS.maxLifetimeMs);
  return {
    ...own,
    expiresAt: Math.min(own.expiresAt ?? latest, latest),
    ...(submitter === undefined ? {} : { submitter }),
  };
}

/**
 * The child, signed: as the origin with nothing to prove, as anybody else with `signer`, to be shown with proofs
 * (`checkCapsule`). Throws like `deriveChild`, or what `validateCapsule` says of the child, such as `expired`.
 */
export function signChild(crypto: Crypto, source: SpawnSource, signer: Signer): Capsule {
  const { unsigned, id } = deriveChild(crypto, source);
  const signature = signHash(signer, DOMAINS.capsule, id);
  const asOrigin = signer.identity === unsigned.originIdentity;
  const child: Capsule = { id, ...unsigned, ...(asOrigin ? {} : { signer: signer.identity }), signature };
  // A parent in order can have a child that is not: too large or too deep with the result in it, or already over.
  const checked = validateCapsule(child, { now: child.timestamp });
  if (!checked.ok) throw new MeshError(checked.error.code, checked.error.message, checked.error.detail);
  return child;
}
