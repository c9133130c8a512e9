import type { Figure } from './figures.ts';
import { sample } from './measure.ts';
import { startPipeline } from './pipeline.ts';

const WARM_UP = 50;
/** Enough that what is written now and then, as a page of receipt hashes, counts with its share. */
const CAPSULES = 512;

/** Rows in synced writes for each capsule, one at a time: no two capsules share a write, or a row in it. */
export async function rowFigures(): Promise<Figure[]> {
  const subject = await startPipeline({ text: 'x'.repeat(960) });
  await sample(subject, { lanes: 1, count: WARM_UP });
  const before = { submitter: subject.submitterUsage(), executor: await subject.executorUsage() };
  await sample(subject, { lanes: 1, count: CAPSULES });
  const after = { submitter: subject.submitterUsage(), executor: await subject.executorUsage() };
  await subject.stop();
  return (['submitter', 'executor'] as const).map((node) => ({
    name: `synced rows per capsule, ${node}`,
    value: (after[node].rows - before[node].rows) / CAPSULES,
    atMost: 6,
  }));
}
