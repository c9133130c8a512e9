/** A part of a projection that wants room. */
export interface Demand {
  /** Characters that all of it would take. */
  need: number;
  /** How much of what is scarce it gets, in relation to the others. */
  weight: number;
}

/**
 * Characters for each demand, at most `room` together: nobody gets more than its need, and what the small ones leave is
 * shared among the others by weight. In the order of the demands.
 */
export function shares(demands: readonly Demand[], room: number): number[] {
  const given = demands.map(() => 0);
  let left = room;
  let open = demands.map((demand, index) => ({ ...demand, index }));
  while (open.length > 0) {
    const weights = open.reduce((sum, { weight }) => sum + weight, 0);
    const perWeight = left / weights;
    const content = open.filter(({ need, weight }) => need <= perWeight * weight);
    const last = content.length === 0;
    for (const { index, need, weight } of last ? open : content) {
      given[index] = last ? Math.floor(perWeight * weight) : need;
      left -= given[index];
    }
    open = last ? [] : open.filter((demand) => !content.includes(demand));
  }
  return given;
}
