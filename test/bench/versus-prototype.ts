import type { Figure } from './figures.ts';
import { compared, inTurns } from './measure.ts';
import { startLocal, startPipeline } from './pipeline.ts';
import { startPrototype } from './prototype/prototype.ts';

/*
 * The way of a capsule through two nodes against the bare prototype (`prototype/wire.ts` says what that leaves out), of
 * which every write is synced as well.
 */

const SMALL = { text: 'x'.repeat(960) };
const ONE_AT_A_TIME = { lanes: 1, count: 300 };
const AT_64 = { lanes: 64, count: 2_000 };
const AT_256 = { lanes: 256, count: 4_096 };
const LARGER = [
  { kib: 16, lanes: 64, count: 1_024 },
  { kib: 256, lanes: 64, count: 192 },
];

export async function pipelineFigures(rounds: number): Promise<Figure[]> {
  const bare = await startPrototype(SMALL);
  const ours = await startPipeline(SMALL);
  const local = await startLocal(SMALL);
  const single = await inTurns({ bare, ours }, { ...ONE_AT_A_TIME, rounds });
  const many = await inTurns({ bare, ours }, { ...AT_64, rounds });
  const most = await inTurns({ bare, ours }, { ...AT_256, rounds });
  const here = await inTurns({ bare: ours, ours: local }, { ...ONE_AT_A_TIME, rounds });
  for (const subject of [bare, ours, local]) await subject.stop();
  const alone = compared(single, 'processorMs', ' ms');
  const busy = compared(many, 'processorMs', ' ms');
  return [
    {
      name: 'remote echo, one at a time, p50 over the bare prototype',
      ...compared(single, 'p50Ms', ' ms'),
      atMost: 0.95,
    },
    {
      name: 'remote echo, 64 in flight, throughput over the bare prototype',
      ...compared(many, 'perSecond', '/s'),
      atLeast: 1.4,
    },
    {
      name: 'processor time per capsule, both nodes, 64 in flight, over the same',
      ...busy,
      detail: `${busy.detail}; one at a time ${alone.value.toFixed(2)}: ${alone.detail}`,
      atMost: 0.85,
    },
    {
      name: 'remote echo, 256 in flight, throughput over the same',
      ...compared(most, 'perSecond', '/s'),
      atLeast: 1,
    },
    { name: 'local echo, p50 over the remote one', ...compared(here, 'p50Ms', ' ms'), atMost: 0.5 },
  ];
}

export async function payloadFigures(rounds: number): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const { kib, ...load } of LARGER) {
    const payload = { text: 'x'.repeat(kib * 1024 - 64) };
    const bare = await startPrototype(payload);
    const ours = await startPipeline(payload);
    const taken = await inTurns({ bare, ours }, { ...load, rounds });
    await bare.stop();
    await ours.stop();
    const processor = compared(taken, 'processorMs', ' ms');
    const rate = compared(taken, 'perSecond', '/s');
    figures.push({
      name: `payload of ${kib} KiB, ${load.lanes} in flight, throughput over the bare prototype`,
      ...rate,
      detail: `${rate.detail}; processor time ${processor.value.toFixed(2)}: ${processor.detail}`,
      atLeast: 1,
    });
  }
  return figures;
}
