import { MeshError } from '../lib/errors.ts';
import { PAGE } from './schemas/shared.ts';

/**
 * One page of a list that is in memory as a whole; the cursor is the number of entries before it. What comes and goes
 * between two pages may be shown twice or not at all.
 */
export function pageOf<T>(
  all: readonly T[],
  { limit = PAGE.limit, cursor = '0' }: { limit?: number; cursor?: string },
): { items: T[]; cursor: string | null } {
  if (!/^\d{1,9}$/.test(cursor))
    throw new MeshError('invalid_request', 'The query is not valid: "cursor" is none that this list gave.');
  const from = Number(cursor);
  const to = from + limit;
  return { items: all.slice(from, to), cursor: to < all.length ? String(to) : null };
}
