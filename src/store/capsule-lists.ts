import { throwIfAborted } from '../lib/abort.ts';
import { assertCursor, idAt, type Mark, marks, placeOf } from './capsule-index.ts';
import type { Census } from './census.ts';
import { isTerminal } from './lifecycle.ts';
import type { CapsuleRow, Database, ListFilter, Page } from './types.ts';

const DEFAULT_PAGE = 50;
const LARGEST_PAGE = 500;
/** Capsules looked at for one page: a filter that almost nothing matches gives a short page, not a long wait. */
const EXAMINED_PER_PAGE = 5_000;

export interface CapsuleListsComponents<Life> {
  db: Database;
  census: Census;
  row: (id: string) => CapsuleRow<Life> | undefined;
}

/** Pages of rows, newest first. */
export class CapsuleLists<Life> {
  readonly #db: Database;
  readonly #census: Census;
  readonly #row: (id: string) => CapsuleRow<Life> | undefined;

  constructor({ db, census, row }: CapsuleListsComponents<Life>) {
    this.#db = db;
    this.#census = census;
    this.#row = row;
  }

  async list(filter: ListFilter): Promise<Page<CapsuleRow<Life>>> {
    if (filter.cursor !== undefined) assertCursor(filter.cursor);
    return this.#page(this.#candidates(filter), filter, (row) => matches(row, filter));
  }

  async listRoots({ limit, cursor }: { limit?: number; cursor?: string }): Promise<Page<CapsuleRow<Life>>> {
    if (cursor !== undefined) assertCursor(cursor);
    const roots = this.#byTime(cursor, (mark) => mark.root);
    return this.#page(roots, { limit }, ({ parentCapsule }) => parentCapsule === null);
  }

  /** The way to what may match that meets the fewest others. */
  #candidates(filter: ListFilter): AsyncIterable<Candidate> | Iterable<Candidate> {
    const { parentCapsule, root, status, cursor } = filter;
    if (filter.id !== undefined) return this.#byTime(cursor, (_, id) => isLike(id, filter.id));
    const family = this.#family(parentCapsule ?? root, parentCapsule === undefined);
    if (family !== undefined) {
      const places = family.filter((place) => cursor === undefined || place < cursor);
      return asCandidates(places.sort().reverse());
    }
    if (status === undefined) return this.#byTime(cursor, () => true);
    if (!isTerminal(status)) {
      return asCandidates(this.#census.openWith(status, cursor, EXAMINED_PER_PAGE));
    }
    return this.#byTime(cursor, ({ ended }) => ended === null || ended.status === status);
  }

  async *#byTime(
    cursor: string | undefined,
    may: (mark: Mark, id: string) => boolean,
  ): AsyncGenerator<Candidate> {
    const before = cursor !== undefined && { lt: cursor };
    for await (const [place, mark] of marks(this.#db, {
      reverse: true,
      limit: EXAMINED_PER_PAGE,
      ...before,
    })) {
      yield { place, mayMatch: may(mark, idAt(place)) };
    }
  }

  /**
   * Places of the steps of a capsule that was continued, of all below it too where it is `whole`, and then with itself.
   * Undefined where this node does not know them: it was not continued here, but some of them may have been executed here.
   */
  #family(id: string | undefined, whole: boolean): string[] | undefined {
    const first = id === undefined ? undefined : this.#row(id);
    if (first === undefined || first.steps.length === 0) return undefined;
    const places: string[] = whole ? [placeOf(first)] : [];
    const parents = [first];
    for (let parent = parents.shift(); parent !== undefined; parent = parents.shift()) {
      for (const { child } of parent.steps) {
        const row = child === null ? undefined : this.#row(child);
        if (row === undefined) continue;
        if (places.length === EXAMINED_PER_PAGE) return places;
        places.push(placeOf(row));
        if (whole) parents.push(row);
      }
    }
    return places;
  }

  async #page(
    candidates: AsyncIterable<Candidate> | Iterable<Candidate>,
    { limit, signal }: { limit?: number | undefined; signal?: AbortSignal },
    wanted: (row: CapsuleRow) => boolean,
  ): Promise<Page<CapsuleRow<Life>>> {
    const size = Math.min(Math.max(1, limit ?? DEFAULT_PAGE), LARGEST_PAGE);
    const items: CapsuleRow<Life>[] = [];
    let examined = 0;
    for await (const { place, mayMatch } of candidates) {
      throwIfAborted(signal);
      examined++;
      const row = mayMatch ? this.#row(idAt(place)) : undefined;
      const last = items.at(-1);
      if (row !== undefined && wanted(row)) {
        // One more than fits was found, so this page is not the last.
        if (items.length === size && last !== undefined) return { items, cursor: placeOf(last) };
        items.push(row);
      }
      if (examined === EXAMINED_PER_PAGE) return { items, cursor: place };
    }
    return { items, cursor: null };
  }
}

interface Candidate {
  place: string;
  /** False where its mark says enough. */
  mayMatch: boolean;
}

function asCandidates(places: string[]): Candidate[] {
  return places.map((place) => ({ place, mayMatch: true }));
}

function isLike(id: string, wanted = ''): boolean {
  return wanted.startsWith('…') ? id.endsWith(wanted.slice(1)) : id.startsWith(wanted);
}

function matches(row: CapsuleRow, filter: ListFilter): boolean {
  return (
    isLike(row.id, filter.id) &&
    (filter.status === undefined || row.status === filter.status) &&
    (filter.requestedCapability === undefined || row.requestedCapability === filter.requestedCapability) &&
    (filter.originIdentity === undefined || row.originIdentity === filter.originIdentity) &&
    (filter.root === undefined || row.root === filter.root) &&
    (filter.parentCapsule === undefined || row.parentCapsule === filter.parentCapsule)
  );
}
