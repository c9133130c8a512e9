import type { Assignment } from '../../protocols/assignment/v1/schema.ts';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { ErrorBody, ErrorCode } from '../../protocols/common/v1/errors.ts';
import type { Proof } from '../../protocols/messages/v1/schema.ts';
import type { Receipt } from '../../protocols/receipt/v1/schema.ts';
import { nodeIdOf } from '../../src/capsule/identity.ts';
import { continuesAt } from '../../src/capsule/roles.ts';
import type { Lease } from '../../src/exchange/machine/state.ts';

/*
 * Documents of the model: the production types, with readable names for hashes and nothing signed. Who may say what is
 * settled before the machine sees it, and is modelled in `inbound.ts`.
 */

/** S submits and pays; A and B execute. */
export type Who = 0 | 1 | 2;
export const S = 0;
export const WHO = [0, 1, 2] as const satisfies Who[];
const NAMES = ['S', 'A', 'B'] as const;
const IDENTITIES = ['a1', 'b0', 'ca'].map((byte) => byte.repeat(32));
const NODE_IDS = IDENTITIES.map(nodeIdOf);

export const nameOf = (who: Who): string => NAMES[who];
export const nodeOf = (who: Who): string => NODE_IDS[who] ?? '';
export const keyOf = (who: Who): string => IDENTITIES[who] ?? '';

/** Whom a node id or an identity names. */
export function whoIs(name: string): Who {
  const who = WHO.find((each) => nodeOf(each) === name || keyOf(each) === name);
  if (who === undefined) throw new RangeError(`Nobody is ${name}.`);
  return who;
}

/** How a run may end. `unfit`: completed with a result that no step can be made of. `before`: no code was begun. */
export type End = 'completed' | 'passing' | 'final' | 'unfit' | 'before' | 'stopped';

const CODES: Record<'passing' | 'final' | 'before', ErrorCode> = {
  passing: 'model_unavailable',
  final: 'permission_denied',
  before: 'busy',
};

export const errorOf = (code: ErrorCode): ErrorBody => ({ code, message: code });

export interface Outcome {
  receipt: Receipt;
  lease: Assignment;
  error: ErrorBody | null;
  end: End;
}

const HASH = '0'.repeat(64);

/** All documents that are ever made in one exploration, by name. */
export class Documents {
  readonly #capsules = new Map<string, Capsule>();
  readonly #outcomes = new Map<string, Outcome>();

  constructor(root: Capsule) {
    this.#capsules.set(root.id, root);
  }

  capsule(id: string): Capsule {
    const capsule = this.#capsules.get(id);
    if (capsule === undefined) throw new RangeError(`There is no capsule ${id}.`);
    return capsule;
  }

  outcome(receiptHash: string): Outcome {
    const outcome = this.#outcomes.get(receiptHash);
    if (outcome === undefined) throw new RangeError(`There is no receipt ${receiptHash}.`);
    return outcome;
  }

  /** Its receipt is the same wherever the same node ends the same lease alike: what it was told of before is gone. */
  conclude(executor: Who, lease: Lease, end: End, stop: ErrorBody | null): Outcome {
    const { capsuleId, epoch, price } = lease;
    const coordinator = nameOf(whoIs(lease.coordinator));
    const receiptHash = `${nameOf(executor)}.${capsuleId}.${coordinator}${epoch}.${stop?.code ?? end}`;
    const known = this.#outcomes.get(receiptHash);
    if (known !== undefined) return known;
    const completed = end === 'completed' || end === 'unfit';
    const error = completed ? null : end === 'stopped' ? (stop ?? errorOf('internal')) : errorOf(CODES[end]);
    const { requestedCapability } = this.capsule(capsuleId);
    const outcome = {
      end,
      error,
      lease: { ...lease, signature: '' },
      receipt: {
        version: 1,
        capsuleId,
        identity: keyOf(executor),
        capabilityId: requestedCapability,
        codeHash: null,
        action: requestedCapability,
        inputHash: HASH,
        resultHash: completed ? HASH : null,
        status: completed ? 'completed' : 'failed',
        error: null,
        lease: HASH,
        epoch,
        charge: completed && price > 0 ? price : null,
        execution: null,
        permissionsDeclared: [],
        permissionsUsed: [],
        startedAt: 0,
        finishedAt: 0,
        previousStateRoot: HASH,
        nextStateRoot: HASH,
        previousReceiptHash: HASH,
        receiptHash,
        signature: '',
      },
    } satisfies Outcome;
    this.#outcomes.set(receiptHash, outcome);
    return outcome;
  }

  /** The children that everybody makes alike of this receipt. */
  children(receiptHash: string): Capsule[] {
    const { receipt } = this.outcome(receiptHash);
    const parent = this.capsule(receipt.capsuleId ?? '');
    return (parent.next ?? []).map((step, number) => {
      const id = `${parent.id}${number}(${receiptHash})`;
      const known = this.#capsules.get(id);
      if (known !== undefined) return known;
      const child: Capsule = {
        ...parent,
        id,
        requestedCapability: step.requestedCapability,
        next: step.next ?? null,
        chainDepth: (parent.chainDepth ?? 0) + 1,
        parentCapsule: parent.id,
        lineage: { step: number, parent: parent.id, receipt: receiptHash, result: HASH, paths: [] },
        ...(continuesAt(parent) === 'executor' && { signer: receipt.identity }),
      };
      this.#capsules.set(id, child);
      return child;
    });
  }

  /** What shows that an executor's child may be; empty for all others. */
  proofsOf({ lineage, signer }: Capsule): Proof[] {
    if (lineage === undefined || signer === undefined) return [];
    const { receipt, lease } = this.outcome(lineage.receipt);
    return [{ parent: this.capsule(lineage.parent), receipt, lease, result: {} }];
  }
}
