import type { Check } from '../lib/check.ts';

/** Explaining walks all of a value, and holds a thousand times what checking it does: not for what is larger. */
const MAX_EXPLAINED_VALUES = 5_000;

/** What is wrong with a value that was not accepted, as a clause; in general terms for a large one. */
export function explained(check: Check<unknown>, value: unknown): string {
  return valuesLeft(value, MAX_EXPLAINED_VALUES) > 0
    ? check.explain(value)
    : 'it does not match its schema, and is too large to say where';
}

/** How much of `budget` is left once every value inside was counted; counting ends with the budget. */
function valuesLeft(value: unknown, budget: number): number {
  let left = budget - 1;
  if (typeof value !== 'object' || value === null) return left;
  const members: unknown[] = Array.isArray(value) ? value : Object.values(value);
  if (members.length > left) return 0;
  for (const member of members) left = valuesLeft(member, left);
  return left;
}
