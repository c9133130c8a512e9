import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import type { ErrorBody } from '../../../protocols/common/v1/errors.ts';
import type { Receipt } from '../../../protocols/receipt/v1/schema.ts';
import { nodeIdOf } from '../../capsule/identity.ts';
import { MeshError } from '../../lib/errors.ts';
import type { Decision } from '../../market/types.ts';
import { isTerminal } from '../../store/lifecycle.ts';
import type { CapsuleRow, CapsuleStore, StoredResult } from '../../store/types.ts';
import { Turns } from './turns.ts';

/** Capsules of one workflow that are put into an archive: eight files each stay below its 10,000 entries. */
const MAX_STEPS = 1_024;

/** One capsule of a workflow, and all that this node knows of it. */
export interface WorkflowStep {
  capsule: Capsule;
  record: CapsuleRow;
  receipt: Receipt | null;
  stored: StoredResult | undefined;
  decisions: Decision[];
  /** Null for the one it begins with. */
  parent: WorkflowStep | null;
}

/** A step without a capsule: why there is none, or null where another node has it. */
export interface MissingStep {
  parent: WorkflowStep;
  requestedCapability: string;
  error: ErrorBody | null;
}

/** A finished workflow. */
export interface WorkflowFacts {
  root: WorkflowStep;
  /** The root and then every step after the one that it follows from. */
  steps: WorkflowStep[];
  missing: MissingStep[];
}

export interface WorkflowSources {
  capsules: Pick<CapsuleStore, 'get' | 'row' | 'result'>;
  explain(capsuleId: string): Decision[];
}

/**
 * The workflow that a capsule belongs to, as far as this node knows it. Throws `not_found`, `conflict` while a step is
 * under way, and `too_large`.
 */
export async function gatherWorkflow(
  sources: WorkflowSources,
  id: string,
  { turns = new Turns(), signal }: { turns?: Turns; signal?: AbortSignal } = {},
): Promise<WorkflowFacts> {
  const known = sources.capsules.row(id);
  const root = known && stepAt(sources, sources.capsules.row(known.root)?.id ?? id, null);
  if (root === undefined) throw new MeshError('not_found', `This node knows no capsule ${id}.`);
  const steps = [root];
  const missing: MissingStep[] = [];
  // It grows while it is walked.
  for (const parent of steps) {
    await turns.before(parent.record.bytes, signal);
    for (const [index, { child, error }] of parent.record.steps.entries()) {
      const step = child === null ? undefined : stepAt(sources, child, parent);
      const requestedCapability = parent.capsule.next?.[index]?.requestedCapability ?? 'unknown';
      if (step === undefined) missing.push({ parent, requestedCapability, error });
      else steps.push(step);
    }
    if (steps.length > MAX_STEPS) {
      throw new MeshError(
        'too_large',
        `A workflow of more than ${MAX_STEPS} steps is not put into an archive.`,
      );
    }
  }
  assertEnded(steps);
  return { root, steps, missing };
}

/** Node that ran it, or was to run it; null where it was never assigned. */
export function executorOf({ receipt, record }: WorkflowStep): string | null {
  return receipt === null ? record.executor : nodeIdOf(receipt.identity);
}

/** Credits that its execution cost the origin. */
export function priceOf({ capsule, receipt, record, stored }: WorkflowStep): number {
  if (stored?.settlement) return stored.settlement.amount;
  const owed = record.status === 'completed' && receipt?.identity !== capsule.originIdentity;
  return owed ? (receipt?.charge ?? 0) : 0;
}

function stepAt(
  { capsules, explain }: WorkflowSources,
  id: string,
  parent: WorkflowStep | null,
): WorkflowStep | undefined {
  const record = capsules.row(id);
  const capsule = capsules.get(id);
  if (record === undefined || capsule === undefined) return undefined;
  const stored = capsules.result(id);
  return { capsule, record, stored, receipt: stored?.receipt ?? null, decisions: explain(id), parent };
}

function assertEnded(steps: readonly WorkflowStep[]): void {
  const open = steps.filter(({ record }) => !isTerminal(record.status)).map(({ record }) => record);
  const [first] = open;
  if (first === undefined) return;
  const count = open.length === 1 ? '1 step is' : `${open.length} steps are`;
  throw new MeshError(
    'conflict',
    `The workflow has not ended: ${count} under way. Wait for it with "capsule watch ${first.id}", then seal it.`,
    { unfinished: open.slice(0, 16).map(({ id, status }) => ({ id, status })) },
  );
}
