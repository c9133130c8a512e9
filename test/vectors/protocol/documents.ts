import type { Assignment } from '../../../protocols/assignment/v1/schema.ts';
import type { Capsule, NextStep } from '../../../protocols/capsule/v1/schema.ts';
import type { JsonObject, JsonValue } from '../../../protocols/common/v1/schema.ts';
import type { Proof } from '../../../protocols/messages/v1/schema.ts';
import type { Receipt } from '../../../protocols/receipt/v1/schema.ts';
import type { Settlement } from '../../../protocols/settlement/v1/schema.ts';
import { canonicalText, sha256 } from '../primitives.ts';
import { alice, bob, type Key, signHash } from './keys.ts';

/* Documents as `protocols/*` and `docs/protocol.md` say that they are made, said a second time for their vectors. */

/** The moment at which every document is made. */
export const NOW = 1_700_000_000_000;
export const DAY_MS = 86_400_000;
export const DOMAINS = {
  capsule: 'frame-capsule-v1',
  receipt: 'frame-receipt-v1',
  assignment: 'frame-assignment-v1',
  settlement: 'frame-settlement-v1',
};
/** Above so many, a lineage names the members of the payload that hold the paths. */
export const EXACT_PATHS = 256;

export const hashOf = (value: unknown): string => sha256(canonicalText(value));

/** What a capsule's id is the hash of. */
export function covered(capsule: Partial<Capsule>): object {
  const { id: _, signer: __, signature: ___, ...body } = capsule;
  return body;
}

/** A root capsule of Alice's for `text.analyze`, with what `fields` say. */
export function rootCapsule(fields: Partial<Capsule> = {}): Capsule {
  const body = {
    version: 1 as const,
    timestamp: NOW,
    originIdentity: alice.identity,
    requestedCapability: 'text.analyze',
    payload: { text: 'The quick brown fox.' },
    paymentRule: null,
    privacyRule: 'public' as const,
    executionPolicy: null,
    next: null,
    chainDepth: null,
    parentCapsule: null,
    ...fields,
  };
  const id = hashOf(body);
  return { id, ...body, signature: signHash(alice, DOMAINS.capsule, id) };
}

type AssignmentBody = Omit<Assignment, 'signature'>;

/** What a receipt has as `lease`. */
export function leaseHash({ signature: _, ...body }: Assignment): string {
  return hashOf(body);
}

/** A lease of `capsule` to Bob. */
export function leaseOf(capsule: Capsule, fields: Partial<AssignmentBody> = {}, by = alice): Assignment {
  const body = {
    capsuleId: capsule.id,
    executor: bob.identity,
    epoch: 1,
    price: capsule.paymentRule?.amount ?? 0,
    grantedAt: capsule.timestamp + 5,
    expiresAt: capsule.timestamp + 60_000,
    coordinator: by.identity,
    ...fields,
  };
  return { ...body, signature: signHash(by, DOMAINS.assignment, hashOf(body)) };
}

type ReceiptBody = Omit<Receipt, 'receiptHash' | 'signature'>;

export interface Parties {
  coordinator?: Key;
  executor?: Key;
  lease?: Partial<AssignmentBody>;
  receipt?: Partial<ReceiptBody>;
}

/** That `executor` ran `capsule` with this result, under a lease of `coordinator`; Bob and Alice unless others are named. */
export function proofOf(capsule: Capsule, result: unknown, parties: Parties = {}): Proof {
  const { coordinator = alice, executor = bob } = parties;
  const { action: _, ...input } = capsule.payload;
  const lease = leaseOf(capsule, { executor: executor.identity, ...parties.lease }, coordinator);
  const body: ReceiptBody = {
    version: 1,
    capsuleId: capsule.id,
    identity: executor.identity,
    capabilityId: capsule.requestedCapability,
    codeHash: 'c0'.repeat(32),
    action: capsule.requestedCapability,
    inputHash: hashOf(input),
    resultHash: hashOf(result),
    status: 'completed',
    error: null,
    lease: leaseHash(lease),
    epoch: lease.epoch,
    charge: lease.price === 0 ? null : lease.price,
    execution: null,
    permissionsDeclared: [],
    permissionsUsed: [],
    startedAt: capsule.timestamp + 10,
    finishedAt: capsule.timestamp + 20,
    previousStateRoot: '00'.repeat(32),
    nextStateRoot: '11'.repeat(32),
    previousReceiptHash: '00'.repeat(32),
    ...parties.receipt,
  };
  const receiptHash = hashOf(body);
  const receipt = { ...body, receiptHash, signature: signHash(executor, DOMAINS.receipt, receiptHash) };
  return { parent: capsule, lease, receipt, result };
}

export function settlementOf(body: Omit<Settlement, 'signature'>, by: Key): Settlement {
  return { ...body, signature: signHash(by, DOMAINS.settlement, hashOf(body)) };
}

/** The child that `by` makes of this step of what a proof is of (`docs/protocol.md`, next steps). */
export function childOf({ parent, receipt, result }: Proof, by: Key = bob, step = 0): Capsule {
  const next = parent.next?.[step];
  if (next === undefined) throw new Error(`There is no step ${String(step)}.`);
  const paths: string[] = [];
  const payload = filled(next.payloadTemplate, result, (path) => paths.push(path));
  const members = paths.map((path) => path.replace(/\..*/, ''));
  const body = {
    version: 1 as const,
    timestamp: receipt.finishedAt,
    originIdentity: parent.originIdentity,
    requestedCapability: next.requestedCapability,
    payload,
    paymentRule: next.paymentRule === undefined ? parent.paymentRule : next.paymentRule,
    privacyRule: parent.privacyRule,
    executionPolicy: policyOf(parent, next),
    next: next.next ?? null,
    chainDepth: (parent.chainDepth ?? 0) + 1,
    parentCapsule: parent.id,
    lineage: {
      step,
      parent: parent.id,
      receipt: receipt.receiptHash,
      result: hashOf(result),
      paths: [...new Set(paths.length > EXACT_PATHS ? members : paths)].sort(),
    },
  };
  const id = hashOf(body);
  const signer = by.identity === parent.originIdentity ? {} : { signer: by.identity };
  return { id, ...body, ...signer, signature: signHash(by, DOMAINS.capsule, id) };
}

/** The step's own policy or the parent's; the submitter stays, and nothing outlives its parent. */
function policyOf({ timestamp, executionPolicy }: Capsule, step: NextStep) {
  const { submitter, ...inherited } = executionPolicy ?? {};
  const own = step.executionPolicy === undefined ? inherited : (step.executionPolicy ?? {});
  const end = executionPolicy?.expiresAt ?? timestamp + 7 * DAY_MS;
  return {
    ...own,
    expiresAt: Math.min(own.expiresAt ?? end, end),
    ...(submitter === undefined ? {} : { submitter }),
  };
}

/** The template with `$result` and `$result.<path>` replaced; tells the path of each. */
function filled(template: JsonObject, result: unknown, tell: (path: string) => void): JsonObject {
  const fill = (value: JsonValue, path: string): JsonValue => {
    if (typeof value === 'string' && /^\$result(?:\.|$)/.test(value)) {
      tell(path);
      const names = value.split('.').slice(1);
      return names.reduce(
        (inside, name) => Object.getOwnPropertyDescriptor(inside, name)?.value,
        Object(result),
      );
    }
    if (Array.isArray(value)) return value.map((item, index) => fill(item, `${path}.${String(index)}`));
    return typeof value === 'object' && value !== null ? members(value, `${path}.`) : value;
  };
  const members = (object: JsonObject, prefix: string): JsonObject =>
    Object.fromEntries(Object.entries(object).map(([name, value]) => [name, fill(value, prefix + name)]));
  return members(template, '');
}
