import { setImmediate as nextTurn } from 'node:timers/promises';
import { throwIfAborted } from '../lib/abort.ts';
import { isTerminal } from '../store/lifecycle.ts';
import type { CapsuleRow, CapsuleStore, Page } from '../store/types.ts';
import type { Workflow, WorkflowNode } from './types.ts';

/** Steps of one workflow that a tree shows; deeper or wider ones are cut, and say so by their missing children. */
const MAX_WORKFLOW_STEPS = 1_024;
/** Steps of a list that are looked up without letting the node do something else: some milliseconds. */
const STEPS_PER_TURN = 256;

/** Chains of capsules as trees, as far as this node knows them. */
export class Workflows {
  readonly #capsules: Pick<CapsuleStore, 'get' | 'row' | 'listRoots'>;

  constructor({ capsules }: { capsules: Pick<CapsuleStore, 'get' | 'row' | 'listRoots'> }) {
    this.#capsules = capsules;
  }

  /** The whole tree that the capsule `id` belongs to, from its root. */
  of(id: string): Workflow | undefined {
    const record = this.#capsules.row(id);
    if (record === undefined) return undefined;
    const root = this.#capsules.row(record.root) ?? record;
    return this.#workflowOf(root);
  }

  /** Newest first. */
  async list({
    signal,
    ...range
  }: {
    limit?: number;
    cursor?: string;
    signal?: AbortSignal;
  }): Promise<Page<Workflow>> {
    const { items: roots, cursor } = await this.#capsules.listRoots(range);
    const items: Workflow[] = [];
    let steps = 0;
    for (const root of roots) {
      if (steps >= STEPS_PER_TURN) {
        await nextTurn();
        steps = 0;
      }
      throwIfAborted(signal);
      const workflow = this.#workflowOf(root);
      items.push(workflow);
      steps += workflow.steps;
    }
    return { items, cursor };
  }

  #workflowOf(root: CapsuleRow): Workflow {
    const statuses: WorkflowNode['status'][] = [];
    const grow = (record: CapsuleRow): WorkflowNode => {
      statuses.push(record.status);
      const { id, requestedCapability, status, executor, error, receiptHash, steps } = record;
      const children: WorkflowNode[] = [];
      for (const [step, { child, error: stepError }] of steps.entries()) {
        const childRecord = child === null ? undefined : this.#capsules.row(child);
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
    const unfinished = statuses.some((status) => !isTerminal(status));
    const status = unfinished ? 'executing' : statuses.includes('failed') ? 'failed' : 'completed';
    return { root: root.id, status, receivedAt: root.receivedAt, steps: statuses.length, tree };
  }
}
