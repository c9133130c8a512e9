import type { HistoryEntry } from './types.ts';

/** A capsule that is offered again and again must not grow its row: the first entry and the newest are kept. */
const HISTORY_ENTRIES = 32;

/** The row with one more line of history: its present status at `at`, and a short sentence for a person. */
export function appendHistory<T extends { status: HistoryEntry['status']; history: HistoryEntry[] }>(
  row: T,
  at: number,
  note?: string,
): T {
  const entry = { at, status: row.status, ...(note !== undefined && { note }) };
  const history = [...row.history, entry];
  const kept =
    history.length <= HISTORY_ENTRIES
      ? history
      : [...history.slice(0, 1), ...history.slice(1 - HISTORY_ENTRIES)];
  return { ...row, history: kept };
}
