import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import type { CapsuleStatus } from '../store/types.ts';

export interface WorkflowNode {
  /** Null for a step that could not become a capsule, such as a template that names a missing path. */
  id: string | null;
  requestedCapability: string;
  status: CapsuleStatus;
  executor: string | null;
  error: ErrorBody | null;
  receiptHash: string | null;
  children: WorkflowNode[];
}

export interface Workflow {
  root: string;
  /** `executing` while any step is not terminal; `failed` when any step failed; else `completed`. */
  status: CapsuleStatus;
  receivedAt: number;
  steps: number;
  tree: WorkflowNode;
}
