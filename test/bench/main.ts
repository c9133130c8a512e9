import { parseArgs } from 'node:util';
import { benchArchive, type Ratio } from './archive.ts';
import { type Figure, report } from './figures.ts';
import { median, oneAtATime, quantile, throughput } from './measure.ts';
import { startPipeline } from './pipeline.ts';
import { startPrototype } from './prototype/prototype.ts';
import { benchScheduler } from './scheduler.ts';
import { benchStart } from './startup.ts';
import { benchStoredCapsules } from './stored-capsules.ts';

/*
 * `npm run bench [-- --json] [-- --only NAME]`: every figure the project holds itself to, as a ratio of two things
 * measured in turns in this one run where there is something to compare with. Nothing here is a test.
 */

const PAYLOAD = { text: 'x'.repeat(960) };
const ROUNDS = 5;
const WARM_UP = 300;
const ONE_AT_A_TIME = 200;
const IN_FLIGHT = 64;
const AT_64 = 2_000;

async function pipelineFigures(): Promise<Figure[]> {
  const prototype = await startPrototype(PAYLOAD);
  const mesh = await startPipeline(PAYLOAD);
  for (const subject of [prototype, mesh]) await oneAtATime(subject, WARM_UP);
  const latencies: { bare: number; mesh: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const bare = quantile(await oneAtATime(prototype, ONE_AT_A_TIME), 0.5);
    latencies.push({ bare, mesh: quantile(await oneAtATime(mesh, ONE_AT_A_TIME), 0.5) });
  }
  for (const subject of [prototype, mesh]) await throughput(subject, IN_FLIGHT, AT_64);
  const rates: { bare: number; mesh: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const bare = await throughput(prototype, IN_FLIGHT, AT_64);
    rates.push({ bare, mesh: await throughput(mesh, IN_FLIGHT, AT_64) });
  }
  await prototype.stop();
  await mesh.stop();
  const [bareMs, meshMs] = [
    median(latencies.map(({ bare }) => bare)),
    median(latencies.map((each) => each.mesh)),
  ];
  const [bareRate, meshRate] = [
    median(rates.map(({ bare }) => bare)),
    median(rates.map((each) => each.mesh)),
  ];
  return [
    {
      name: 'remote echo, one at a time, p50 over the bare prototype',
      value: median(latencies.map(({ bare, mesh: ours }) => ours / bare)),
      atMost: 1.5,
      detail: `${meshMs.toFixed(2)} ms over ${bareMs.toFixed(2)} ms`,
    },
    {
      name: 'remote echo, 64 in flight, throughput over the bare prototype',
      value: median(rates.map(({ bare, mesh: ours }) => ours / bare)),
      atLeast: 0.7,
      detail: `${meshRate.toFixed(0)}/s over ${bareRate.toFixed(0)}/s`,
    },
  ];
}

async function schedulerFigures(): Promise<Figure[]> {
  const { decisions } = await benchScheduler();
  return decisions.flatMap(({ shape, us10000, growth }) => [
    { name: `decision among 10,000 providers, ${shape} (µs)`, value: us10000, atMost: 50 },
    { name: `the same over 100 providers, ${shape}`, value: growth, atMost: 3 },
  ]);
}

async function storeFigures(): Promise<Figure[]> {
  const { ratio, fullMs, emptyMs } = await benchStoredCapsules();
  const detail = `${fullMs.toFixed(2)} ms over ${emptyMs.toFixed(2)} ms`;
  return [
    {
      name: 'submitting with 100,000 capsules stored over an empty store',
      value: ratio,
      atMost: 1.2,
      detail,
    },
  ];
}

async function startFigures(): Promise<Figure[]> {
  const { readySeconds, idleMegabytes } = await benchStart();
  return [
    { name: 'node start to ready (s)', value: readySeconds, atMost: 1.5 },
    { name: 'idle memory, resident (MB)', value: idleMegabytes, atMost: 150 },
  ];
}

async function archiveFigures(): Promise<Figure[]> {
  const { shapes, large, peakMegabytes, browser } = await benchArchive();
  const overFloor = ({ oursMs, floorMs }: Ratio) => `${oursMs.toFixed(2)} ms over ${floorMs.toFixed(2)} ms`;
  const figure = (name: string, ratio: Ratio, atMost: number): Figure => {
    return { name, value: ratio.ratio, atMost, detail: overFloor(ratio) };
  };
  if (browser === null) process.stderr.write('no Chromium here: the browser is not measured\n');
  return [
    ...shapes.flatMap(({ name, verify, seal, bareMs }) => [
      {
        ...figure(`verifying an archive over its floor, ${name}`, verify, 1.4),
        detail: `${overFloor(verify)}; ${bareMs.toFixed(2)} ms without ZIP and with our canonical form`,
      },
      figure(`sealing one over its floor, ${name}`, seal, 1.4),
    ]),
    figure('verifying 100 MiB over SHA-256 of the same file', large, 1.6),
    { name: 'peak memory verifying 1 GiB from a file (MB)', value: peakMegabytes, atMost: 200 },
    ...(browser === null ? [] : [figure('verifying 1 MiB in Chromium over Node.js', browser, 3)]),
  ];
}

const GROUPS = {
  archive: archiveFigures,
  scheduler: schedulerFigures,
  start: startFigures,
  store: storeFigures,
  pipeline: pipelineFigures,
} as const;

const { values } = parseArgs({
  options: { json: { type: 'boolean' }, only: { type: 'string', multiple: true } },
});
const figures: Figure[] = [];
for (const [name, measure] of Object.entries(GROUPS)) {
  if (values.only !== undefined && !values.only.includes(name)) continue;
  process.stderr.write(`measuring ${name}…\n`);
  figures.push(...(await measure()));
}
process.stdout.write(report(figures, { json: values.json === true }));
