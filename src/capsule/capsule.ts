import {
  CAPSULE_VERSION,
  type Capsule,
  type ExecutionPolicy,
  type NextStep,
  type PaymentRule,
  type PrivacyRule,
  type UnsignedCapsule,
} from '../../protocols/capsule/v1/schema.ts';
import { DOMAINS } from '../../protocols/common/v1/limits.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import type { Clock } from '../lib/clock.ts';
import type { Crypto, Signer } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';
import { hashJson, signHash } from './signing.ts';

export interface CapsuleOptions {
  /** 64-hex key of who asks. */
  originIdentity: string;
  requestedCapability: string;
  payload: JsonObject;
  paymentRule?: PaymentRule | null;
  privacyRule?: PrivacyRule;
  executionPolicy?: ExecutionPolicy | null;
  next?: NextStep[] | null;
  chainDepth?: number | null;
  parentCapsule?: string | null;
}

/** Fills every field with its default (protocol "Capsule"); checks nothing, `validateCapsule` does. */
export function createCapsule(options: CapsuleOptions, clock: Pick<Clock, 'now'>): UnsignedCapsule {
  return {
    version: CAPSULE_VERSION,
    timestamp: clock.now(),
    originIdentity: options.originIdentity,
    requestedCapability: options.requestedCapability,
    payload: options.payload,
    paymentRule: options.paymentRule ?? null,
    privacyRule: options.privacyRule ?? 'public',
    executionPolicy: options.executionPolicy ?? null,
    next: options.next ?? null,
    chainDepth: options.chainDepth ?? null,
    parentCapsule: options.parentCapsule ?? null,
  };
}

/** What a capsule's id is the hash of: everything but `id`, `signer` and `signature`, present or not. */
export function unsignedPart(capsule: UnsignedCapsule | Capsule): UnsignedCapsule {
  const { id, signer, signature, ...rest }: UnsignedCapsule & Partial<Capsule> = capsule;
  return rest;
}

/** The id: 64-hex. Throws `invalid_json` where the capsule is not I-JSON. */
export function hashCapsule(crypto: Crypto, capsule: UnsignedCapsule | Capsule): string {
  return hashJson(crypto, unsignedPart(capsule));
}

/** Identity whose signature the capsule bears: the origin's where it names no other. */
export function signerOf(capsule: Capsule): string {
  return capsule.signer ?? capsule.originIdentity;
}

/** Signs as the origin. Throws `invalid_request` where that is another. */
export function signCapsule(signer: Signer, crypto: Crypto, unsigned: UnsignedCapsule): Capsule {
  if (signer.identity !== unsigned.originIdentity)
    throw new MeshError('invalid_request', 'Only its origin can sign a capsule.');
  const id = hashCapsule(crypto, unsigned);
  return { id, ...unsignedPart(unsigned), signature: signHash(signer, DOMAINS.capsule, id) };
}
