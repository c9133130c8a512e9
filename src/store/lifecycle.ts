import type { CapsuleRow, CapsuleStatus, HistoryEntry, TerminalStatus } from './types.ts';

/** A capsule that is offered again and again must not grow its row: the first entry and the newest are kept. */
const HISTORY_ENTRIES = 32;

export const TERMINAL_STATUSES: readonly TerminalStatus[] = ['completed', 'failed'];

export function isTerminal(status: CapsuleStatus): status is TerminalStatus {
  return status === 'completed' || status === 'failed';
}

/** Whether it must not be removed: unfinished, or something is owed. */
export function isOpen({ open, status }: Pick<CapsuleRow, 'open' | 'status'>): boolean {
  return open || !isTerminal(status);
}

export function appendHistory(history: readonly HistoryEntry[], entry: HistoryEntry): HistoryEntry[] {
  const longer = [...history, entry];
  return longer.length <= HISTORY_ENTRIES
    ? longer
    : [...longer.slice(0, 1), ...longer.slice(1 - HISTORY_ENTRIES)];
}
