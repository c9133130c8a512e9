/** Something that can be asked for one complete round trip again and again. */
export interface RoundTrips {
  roundTrip(): Promise<void>;
  stop(): Promise<void>;
}

/** The smallest value that at least `fraction` of the values do not exceed. */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(fraction * sorted.length) - 1)] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** Milliseconds of each of `count` round trips, one after the other. */
export async function oneAtATime(subject: RoundTrips, count: number): Promise<number[]> {
  const durations: number[] = [];
  for (let index = 0; index < count; index++) {
    const begun = performance.now();
    await subject.roundTrip();
    durations.push(performance.now() - begun);
  }
  return durations;
}

/** Round trips a second with `lanes` in flight. */
export async function throughput(subject: RoundTrips, lanes: number, count: number): Promise<number> {
  let left = count;
  const begun = performance.now();
  const lane = async () => {
    while (left-- > 0) await subject.roundTrip();
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return (1000 * count) / (performance.now() - begun);
}
