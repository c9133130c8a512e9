/** Names compared; of more, the first. At 128 characters each this takes a few milliseconds. */
const MAX_COMPARED = 4_096;
/** Typing errors beyond which a name is another name; of a short one, a third of its length. */
const MAX_DISTANCE = 4;

/** The name that is most like a misspelt one, the first of equals; null where none is like it. */
export function nearestName(name: string, names: Iterable<string>): string | null {
  let nearest: string | null = null;
  let limit = Math.min(MAX_DISTANCE, Math.floor(name.length / 3));
  let compared = 0;
  for (const each of names) {
    if (compared++ >= MAX_COMPARED || limit < 0) break;
    const distance = editDistance(name, each, limit);
    if (distance > limit) continue;
    nearest = each;
    limit = distance - 1;
  }
  return nearest;
}

/** Characters to insert, delete or replace; anything above `limit` is given as more than it. Costs O(length · limit). */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row++) {
    const current = new Array<number>(b.length + 1).fill(limit + 1);
    if (row <= limit) current[0] = row;
    let least = row <= limit ? row : limit + 1;
    for (let column = Math.max(1, row - limit); column <= Math.min(b.length, row + limit); column++) {
      const replaced = at(previous, column - 1, limit) + (a[row - 1] === b[column - 1] ? 0 : 1);
      const distance = Math.min(
        replaced,
        at(previous, column, limit) + 1,
        at(current, column - 1, limit) + 1,
      );
      current[column] = distance;
      least = Math.min(least, distance);
    }
    if (least > limit) return limit + 1;
    previous = current;
  }
  return at(previous, b.length, limit);
}

function at(row: readonly number[], column: number, limit: number): number {
  return row[column] ?? limit + 1;
}
