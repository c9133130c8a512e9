import { MeshError } from '../lib/errors.ts';
import type { CapsuleStatus, TerminalStatus } from './types.ts';

/** The lifecycle: which status may follow which. An arrow to the same status is `update`. */
const NEXT: Record<CapsuleStatus, readonly CapsuleStatus[]> = {
  pending: ['announced', 'executing', 'failed'],
  announced: ['executing', 'failed'],
  // Back to announced where the lease was lost and the capsule is offered again.
  executing: ['announced', 'completed', 'failed'],
  completed: [],
  failed: [],
};

export const TERMINAL_STATUSES: readonly TerminalStatus[] = ['completed', 'failed'];
export const OPEN_STATUSES: readonly CapsuleStatus[] = ['pending', 'announced', 'executing'];

export function isTerminal(status: CapsuleStatus): status is TerminalStatus {
  return NEXT[status].length === 0;
}

/** Throws `conflict` where the lifecycle has no such arrow. */
export function assertArrow(id: string, from: CapsuleStatus, to: CapsuleStatus): void {
  if (NEXT[from].includes(to)) return;
  throw new MeshError('conflict', `A capsule that is ${from} cannot become ${to}.`, { id, from, to });
}

/** Throws `conflict` for a capsule that has ended. */
export function assertOpen(id: string, status: CapsuleStatus): void {
  if (!isTerminal(status)) return;
  throw new MeshError('conflict', `The capsule has ended (${status}) and cannot change.`, { id, status });
}
