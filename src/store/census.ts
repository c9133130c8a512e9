import { BTree } from '../lib/btree.ts';
import { placeOf } from './capsule-index.ts';
import { isOpen, isTerminal } from './lifecycle.ts';
import type { CapsuleRow, CapsuleStatus, Share, TerminalStatus, Usage } from './types.ts';

/** What is counted of a capsule. */
export interface Counted {
  place: string;
  status: CapsuleStatus;
  share: Share;
  bytes: number;
  open: boolean;
}

/** How many capsules there are of each kind, and which are open; in memory, in step with what is visible of the rows. */
export class Census {
  readonly #counts: Record<CapsuleStatus, number> = {
    pending: 0,
    announced: 0,
    executing: 0,
    completed: 0,
    failed: 0,
  };
  readonly #usage: Record<Share, Usage> = {
    own: { capsules: 0, bytes: 0 },
    known: { capsules: 0, bytes: 0 },
    stranger: { capsules: 0, bytes: 0 },
  };
  /** What is not open any more. */
  readonly #closed: Record<TerminalStatus, number> = { completed: 0, failed: 0 };
  readonly #open = new BTree<string, CapsuleStatus>();

  change(before: Counted | null, after: Counted | null): void {
    if (before !== null) this.#count(before, -1);
    if (after !== null) this.#count(after, 1);
    if (after?.open === true) this.#open.set(after.place, after.status);
    else if (before?.open === true) this.#open.delete(before.place);
  }

  counts(): Record<CapsuleStatus, number> {
    return { ...this.#counts };
  }

  usage(): Record<Share, Usage> {
    const { own, known, stranger } = this.#usage;
    return { own: { ...own }, known: { ...known }, stranger: { ...stranger } };
  }

  /** How many of these statuses are not open any more. */
  closed(statuses: readonly TerminalStatus[]): number {
    return statuses.reduce((sum, status) => sum + this.#closed[status], 0);
  }

  /** Places of the open ones, oldest first, as they are now. */
  open(): string[] {
    return this.#open.keysArray();
  }

  /** Places of the open ones that have this status now, newest first, before `cursor`; at most `limit`. */
  openWith(status: CapsuleStatus, cursor: string | undefined, limit: number): string[] {
    const places: string[] = [];
    for (const [place, found] of this.#open.entriesReversed(cursor, undefined, true)) {
      if (places.length === limit) break;
      if (found === status) places.push(place);
    }
    return places;
  }

  #count({ status, share, bytes, open }: Counted, by: 1 | -1): void {
    this.#counts[status] += by;
    this.#usage[share].capsules += by;
    this.#usage[share].bytes += by * bytes;
    if (!open && isTerminal(status)) this.#closed[status] += by;
  }
}

export function countedOf(row: CapsuleRow): Counted {
  const { status, share, bytes } = row;
  return { place: placeOf(row), status, share, bytes, open: isOpen(row) };
}
