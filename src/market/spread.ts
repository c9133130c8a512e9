import { mix32 } from './hash.ts';
import type { EntryClass, Place } from './ring-index.ts';

/**
 * Among equals, those that the rendezvous compares: the next ones clockwise from the capsule's point. Up to this
 * many equals are spread evenly; of more, each one's share follows the arcs that lead to it, which differ by about a
 * sixth (one over the window's root); more would be more even, and cost every choice among equals.
 */
export const TIE_WINDOW = 32;

/** Where a capsule stands on the circle of node points, and what it draws lots with: two parts of its id. */
export interface Draw {
  readonly point: number;
  readonly lot: number;
}

export function drawOf(capsuleId: string): Draw {
  return {
    point: Number.parseInt(capsuleId.slice(0, 8), 16),
    lot: Number.parseInt(capsuleId.slice(8, 16), 16),
  };
}

/**
 * Members of equal classes in the order of their lots (rendezvous hashing): every node that knows the same providers
 * orders them alike, and one that leaves moves only its own capsules. The first `limit` of those in the window;
 * `equals` tells how many those are.
 */
export function spread<E extends Place>(
  classes: readonly EntryClass<E>[],
  draw: Draw,
  limit: number,
  accept: (entry: E) => boolean,
): { first: E[]; equals: number } {
  const [only] = classes;
  // Mostly prices and times differ, and no two providers are equal.
  if (classes.length === 1 && only?.sole !== undefined) {
    return accept(only.sole) ? { first: [only.sole], equals: 1 } : { first: [], equals: 0 };
  }
  let equals = classes.flatMap((each) => each.index.clockwise(each, draw.point, TIE_WINDOW, accept));
  if (equals.length > TIE_WINDOW) {
    const way = (entry: E): number => (entry.point - draw.point) >>> 0;
    equals = equals.sort((a, b) => way(a) - way(b)).slice(0, TIE_WINDOW);
  }
  const first: E[] = [];
  const lots: number[] = [];
  // Sorts by insertion into the few that are kept: most of the window never gets in.
  for (const entry of equals) {
    const lot = mix32(entry.point ^ draw.lot);
    let index = first.length;
    if (index === limit && lot <= (lots[limit - 1] ?? 0)) continue;
    if (index === limit) index--;
    for (; index > 0; index--) {
      const before = first[index - 1];
      const lotBefore = lots[index - 1];
      if (before === undefined || lotBefore === undefined || lot <= lotBefore) break;
      first[index] = before;
      lots[index] = lotBefore;
    }
    first[index] = entry;
    lots[index] = lot;
  }
  return { first, equals: equals.length };
}
