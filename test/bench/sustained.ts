import type { Figure } from './figures.ts';
import { sample } from './measure.ts';
import { startPipeline } from './pipeline.ts';

/*
 * Whether a node gets slower with what it has done: one run without a pause, in which the store's compaction has to keep
 * up.
 */

const GROUP = 10_000;
const GROUPS = 6;
/** Until everything is compiled: else the first group would be slow for that. */
const WARM_UP = 3_000;
const LANES = 64;

export async function sustainedFigures(): Promise<Figure[]> {
  const subject = await startPipeline({ text: 'x'.repeat(960) });
  await sample(subject, { lanes: LANES, count: WARM_UP });
  const times = [performance.now()];
  const used = [subject.usage()];
  await sample(subject, { lanes: LANES, count: GROUP * GROUPS }, (ended) => {
    if (ended % GROUP !== 0) return;
    times.push(performance.now());
    used.push(subject.usage());
  });
  const processorMs = (await Promise.all(used)).map((usage) => usage.processorMs);
  await subject.stop();
  const [first, last] = [spent(times, 1), spent(times, GROUPS)];
  const [firstUsed, lastUsed] = [spent(processorMs, 1), spent(processorMs, GROUPS)];
  const rate = (ms: number) => `${((1000 * GROUP) / ms).toFixed(0)}/s`;
  const each = (ms: number) => `${(ms / GROUP).toFixed(2)} ms`;
  return [
    {
      name: 'throughput with 50,000 capsules done over that of the first 10,000',
      value: first / last,
      atLeast: 0.95,
      detail: `${rate(last)} over ${rate(first)}; processor time ${each(lastUsed)} over ${each(firstUsed)}`,
    },
  ];
}

/** Within one group, counted from 1. */
function spent(marks: readonly number[], group: number): number {
  return (marks[group] ?? Number.NaN) - (marks[group - 1] ?? Number.NaN);
}
