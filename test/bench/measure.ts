/** Something that can be asked for one complete round trip again and again. */
export interface RoundTrips {
  roundTrip(): Promise<void>;
  /** What its processes used of a processor since they began, all together. */
  usage(): Promise<Usage>;
  stop(): Promise<void>;
}

export interface Usage {
  processorMs: number;
  /** Rows that the stores of its nodes wrote, each commit synced. */
  rows: number;
}

/** What a number of round trips took. */
export interface Sample {
  p50Ms: number;
  perSecond: number;
  /** For one round trip, in all processes. */
  processorMs: number;
}

export interface Load {
  /** Round trips in flight; 1 is one at a time. */
  lanes: number;
  count: number;
}

/** The smallest value that at least `fraction` of the values do not exceed. */
function quantile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(fraction * sorted.length) - 1)] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** `onEnd` gets how many have ended. */
export async function sample(
  subject: RoundTrips,
  { lanes, count }: Load,
  onEnd?: (ended: number) => void,
): Promise<Sample> {
  const durations: number[] = [];
  let left = count;
  const lane = async () => {
    while (left-- > 0) {
      const begun = performance.now();
      await subject.roundTrip();
      durations.push(performance.now() - begun);
      onEnd?.(durations.length);
    }
  };
  const before = await subject.usage();
  const begun = performance.now();
  await Promise.all(Array.from({ length: lanes }, lane));
  const elapsed = performance.now() - begun;
  const after = await subject.usage();
  return {
    p50Ms: median(durations),
    perSecond: (1000 * count) / elapsed,
    processorMs: (after.processorMs - before.processorMs) / count,
  };
}

/** One sample of each. */
export interface Round {
  bare: Sample;
  ours: Sample;
}

/** Samples of two subjects in turns, so that a slow moment of the machine falls on both; a first round warms up. */
export async function inTurns(
  { bare, ours }: { bare: RoundTrips; ours: RoundTrips },
  { rounds, ...load }: Load & { rounds: number },
): Promise<Round[]> {
  const taken: Round[] = [];
  for (let round = 0; round <= rounds; round++) {
    const pair = { bare: await sample(bare, load), ours: await sample(ours, load) };
    if (round > 0) taken.push(pair);
  }
  return taken;
}

/** The median over the rounds of ours over the bare one's, and both numbers. */
export function compared(
  rounds: readonly Round[],
  of: keyof Sample,
  unit: string,
): { value: number; detail: string } {
  const middle = (which: keyof Round) => median(rounds.map((round) => round[which][of])).toPrecision(3);
  return {
    value: median(rounds.map(({ ours, bare }) => ours[of] / bare[of])),
    detail: `${Number(middle('ours'))}${unit} over ${Number(middle('bare'))}${unit}`,
  };
}
