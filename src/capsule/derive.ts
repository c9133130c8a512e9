import {
  CAPSULE_VERSION,
  type Capsule,
  type NextStep,
  type UnsignedCapsule,
} from '../../protocols/capsule/v1/schema.ts';
import type { Receipt } from '../../protocols/receipt/v1/schema.ts';
import type { Crypto } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';
import { hashCapsule } from './capsule.ts';
import { applyTemplate } from './templates.ts';

/** All that a spawned capsule is a function of (protocol "Spawned capsules"). */
export interface SpawnSource {
  parent: Capsule;
  /** Index into `parent.next`. */
  step: number;
  /** The receipt of the parent's execution, `completed`. */
  receipt: Receipt;
  /** What `receipt.resultHash` is the hash of. */
  result: unknown;
}

export interface DerivedChild {
  unsigned: UnsignedCapsule;
  id: string;
  /** Dotted payload paths that came from the result. */
  untrusted: string[];
}

/**
 * Whether only the origin may sign the next steps of this capsule: where it says so, and always where its payload
 * is not public, since the proof of a delegated child shows payload and result to later executors.
 */
export function continuesAtOrigin(parent: Capsule): boolean {
  return parent.privacyRule !== 'public' || parent.executionPolicy?.continueAt === 'origin';
}

/** Throws `invalid_request` where the parent has no such step. */
export function stepOf(parent: Capsule, step: number): NextStep {
  const found = parent.next?.[step];
  if (found === undefined) throw new MeshError('invalid_request', `The capsule has no next step ${step}.`);
  return found;
}

/** The child but for its delegation. Throws `invalid_request` or `template_path_missing`. */
export function deriveFields(source: SpawnSource): Omit<DerivedChild, 'id'> {
  const { parent, receipt } = source;
  const step = stepOf(parent, source.step);
  const { payload, untrusted } = applyTemplate(step.payloadTemplate, source.result);
  const unsigned: UnsignedCapsule = {
    version: CAPSULE_VERSION,
    // What the origin signs carries no step number: equal steps are told apart by a millisecond each.
    timestamp: receipt.finishedAt + (continuesAtOrigin(parent) ? source.step : 0),
    originIdentity: parent.originIdentity,
    requestedCapability: step.requestedCapability,
    payload,
    paymentRule: step.paymentRule === undefined ? parent.paymentRule : step.paymentRule,
    privacyRule: parent.privacyRule,
    executionPolicy: step.executionPolicy === undefined ? parent.executionPolicy : step.executionPolicy,
    next: step.next ?? null,
    chainDepth: (parent.chainDepth ?? 0) + 1,
    parentCapsule: parent.id,
  };
  return { unsigned, untrusted };
}

/**
 * The one capsule that this step of this execution gives, with the executor's delegation where the executor may
 * sign, without where only the origin may; so spawning twice is spawning once, and an id is proof of the rest.
 * Throws `invalid_request` or `template_path_missing`.
 */
export function deriveChild(crypto: Crypto, source: SpawnSource): DerivedChild {
  const { unsigned, untrusted } = deriveFields(source);
  if (!continuesAtOrigin(source.parent)) {
    const { parent, step, receipt, result } = source;
    unsigned.delegation = { spawner: receipt.identity, step, parent, receipt, result };
  }
  return { unsigned, id: hashCapsule(crypto, unsigned), untrusted };
}

/** Paths of a delegated capsule's payload that came from its parent's result; none for others. Verify it first. */
export function untrustedPaths(capsule: Capsule): string[] {
  const { delegation } = capsule;
  if (delegation === undefined) return [];
  return applyTemplate(stepOf(delegation.parent, delegation.step).payloadTemplate, delegation.result)
    .untrusted;
}
