import { mix32 } from './hash.ts';
import type { EntryClass, Place } from './ring-index.ts';

/**
 * Among equals, those that the rendezvous compares: the next ones clockwise from the capsule's point. Up to this
 * many equals are spread evenly; of more, each one's share follows the arcs that lead to it, which differ by about an
 * eighth (one over the window's root).
 */
export const TIE_WINDOW = 64;

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
 * orders them alike, and one that leaves moves only its own capsules. At most `TIE_WINDOW` of those `accept` takes.
 */
export function spread<E extends Place>(
  classes: readonly EntryClass<E>[],
  draw: Draw,
  accept: (entry: E) => boolean,
): E[] {
  let equals = classes.flatMap((each) => each.index.clockwise(each, draw.point, TIE_WINDOW, accept));
  if (equals.length > TIE_WINDOW) {
    const way = (entry: E): number => (entry.point - draw.point) >>> 0;
    equals = equals.sort((a, b) => way(a) - way(b)).slice(0, TIE_WINDOW);
  }
  if (equals.length < 2) return equals;
  const drawn = equals.map((entry) => ({ entry, lot: mix32(entry.point ^ draw.lot) }));
  drawn.sort((a, b) => b.lot - a.lot || (a.entry.nodeId < b.entry.nodeId ? -1 : 1));
  return drawn.map(({ entry }) => entry);
}
