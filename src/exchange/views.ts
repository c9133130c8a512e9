import { MeshError } from '../lib/errors.ts';
import type { CapsuleRecord, CapsuleStore } from '../store/types.ts';
import type { CapsuleView, Workflow, WorkflowNode } from './types.ts';

/** Steps of one workflow that a tree shows; deeper or wider ones are cut, and say so by their missing children. */
const MAX_WORKFLOW_STEPS = 1_024;

/** What surfaces read: capsules with their outcome, workflows as trees. */
export class Views {
  readonly #capsules: CapsuleStore;

  constructor({ capsules }: { capsules: CapsuleStore }) {
    this.#capsules = capsules;
  }

  capsule(id: string): CapsuleView | undefined {
    const record = this.#capsules.record(id);
    const capsule = this.#capsules.get(id);
    if (record === undefined || capsule === undefined) return undefined;
    const stored = this.#capsules.result(id);
    return {
      id,
      status: record.status,
      executor: record.executor,
      result: stored?.result ?? null,
      error: record.error,
      receipt: stored?.receipt ?? null,
      children: (stored?.steps ?? []).flatMap(({ child }) => child ?? []),
      record,
      capsule,
    };
  }

  /** The whole tree that `id` belongs to, from its root as far as this node knows it. */
  workflow(id: string): Workflow | undefined {
    const record = this.#capsules.record(id);
    if (record === undefined) return undefined;
    const root = this.#capsules.record(record.root) ?? record;
    return this.#workflowOf(root);
  }

  async workflows(options: {
    limit?: number;
    cursor?: string;
  }): Promise<{ items: Workflow[]; cursor: string | null }> {
    const page = await this.#capsules.listRoots(options);
    return { items: page.items.map((root) => this.#workflowOf(root)), cursor: page.cursor };
  }

  #workflowOf(root: CapsuleRecord): Workflow {
    const statuses: WorkflowNode['status'][] = [];
    const grow = (record: CapsuleRecord): WorkflowNode => {
      statuses.push(record.status);
      const { id, requestedCapability, status, executor, error, receiptHash } = record;
      const children: WorkflowNode[] = [];
      for (const [step, { child, error: stepError }] of (this.#capsules.result(id)?.steps ?? []).entries()) {
        const childRecord = child === null ? undefined : this.#capsules.record(child);
        if (statuses.length >= MAX_WORKFLOW_STEPS) break;
        if (childRecord !== undefined) {
          children.push(grow(childRecord));
        } else if (stepError !== null) {
          statuses.push('failed');
          const wanted = this.#capsules.get(id)?.next?.[step]?.requestedCapability ?? 'unknown';
          const failed = {
            id: null,
            requestedCapability: wanted,
            status: 'failed',
            error: stepError,
          } as const;
          children.push({ ...failed, executor: null, receiptHash: null, children: [] });
        }
      }
      return { id, requestedCapability, status, executor, error, receiptHash, children };
    };
    const tree = grow(root);
    const unfinished = statuses.some((status) => status !== 'completed' && status !== 'failed');
    const status = unfinished ? 'executing' : statuses.includes('failed') ? 'failed' : 'completed';
    return { root: root.id, status, receivedAt: root.receivedAt, steps: statuses.length, tree };
  }
}

export function notFound(id: string): MeshError {
  return new MeshError('not_found', `This node knows no capsule ${id}.`);
}
