import { createHash } from 'node:crypto';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { Offer } from '../../protocols/messages/v1/schema.ts';
import { nodeIdOf } from '../../src/capsule/identity.ts';

const hex = (text: string): string => createHash('sha256').update(text).digest('hex');

/** A well-formed identity nobody holds the key of: enough where nothing is signed. */
export function identityNamed(name: string): string {
  return hex(`identity ${name}`);
}

export function nodeNamed(name: string): string {
  return nodeIdOf(identityNamed(name));
}

export function offer(capabilityId: string, price = 0, estimatedLatency = 0): Offer {
  return { capabilityId, price, estimatedLatency, locality: 'local', idempotent: true };
}

/** An unsigned capsule for who only chooses; `name` decides the id. `amount` 0 means no payment. */
export function capsuleNamed(
  name: string,
  { amount = 0, ...fields }: Partial<Capsule> & { amount?: number } = {},
): Capsule {
  return {
    id: hex(`capsule ${name}`),
    version: 1,
    timestamp: 1_700_000_000_000,
    originIdentity: identityNamed('origin'),
    requestedCapability: 'text.analyze',
    payload: {},
    paymentRule: amount === 0 ? null : { type: 'credit', amount },
    privacyRule: 'public',
    executionPolicy: null,
    next: null,
    chainDepth: null,
    parentCapsule: null,
    signature: '0'.repeat(128),
    ...fields,
  };
}
