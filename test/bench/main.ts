import { parseArgs } from 'node:util';
import { whyNoChromium } from '../support/chromium.ts';
import { benchArchive, type Ratio } from './archive.ts';
import { failoverFigures } from './failover.ts';
import { type Figure, report } from './figures.ts';
import { recoveryFigures, storeFigures } from './full-store.ts';
import { rowFigures } from './rows.ts';
import { runnerFigures } from './runners.ts';
import { benchScheduler } from './scheduler.ts';
import { benchStart } from './startup.ts';
import { sustainedFigures } from './sustained.ts';
import { payloadFigures, pipelineFigures } from './versus-prototype.ts';
import { wasmFigures } from './wasm.ts';

/*
 * `npm run bench -- [--json] [--only NAME]… [--rounds N]`: every figure the project holds itself to, as a ratio of two
 * things measured in turns in this one run where there is something to compare with. Nothing here is a test.
 */

const ROUNDS = 5;

async function schedulerFigures(): Promise<Figure[]> {
  return benchScheduler().flatMap(({ shape, us10000, growth }) => [
    { name: `decision among 10,000 providers, ${shape} (µs)`, value: us10000, atMost: 20 },
    { name: `the same over 100 providers, ${shape}`, value: growth, atMost: 3 },
  ]);
}

async function startFigures(): Promise<Figure[]> {
  const { readySeconds, idleMegabytes } = await benchStart();
  return [
    { name: 'node start to ready (s)', value: readySeconds, atMost: 0.8 },
    { name: 'idle memory, resident (MB)', value: idleMegabytes, atMost: 120 },
  ];
}

async function archiveFigures(): Promise<Figure[]> {
  const { shapes, large, peakMegabytes, browser } = await benchArchive();
  const overFloor = ({ oursMs, floorMs }: Ratio) => `${oursMs.toFixed(2)} ms over ${floorMs.toFixed(2)} ms`;
  const figure = (name: string, ratio: Ratio, atMost: number): Figure => {
    return { name, value: ratio.ratio, atMost, detail: overFloor(ratio) };
  };
  if (browser === null) process.stderr.write(`the browser is not measured: ${whyNoChromium() ?? ''}\n`);
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
  recovery: recoveryFigures,
  rows: rowFigures,
  pipeline: pipelineFigures,
  payloads: payloadFigures,
  sustained: sustainedFigures,
  failover: failoverFigures,
  wasm: wasmFigures,
  runners: runnerFigures,
} as const;

const USAGE = `npm run bench -- [--json] [--only NAME]… [--rounds N]
NAME: ${Object.keys(GROUPS).join(', ')}
`;

/** What was asked for. Throws where it makes no sense. */
function parse() {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      json: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: Object.keys(GROUPS) },
      rounds: { type: 'string', default: String(ROUNDS) },
    },
  });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError('--rounds takes a number from 1 on');
  const unknown = values.only.find((name) => !Object.hasOwn(GROUPS, name));
  if (unknown !== undefined) throw new RangeError(`there is no group "${unknown}"`);
  return { ...values, rounds };
}

async function main({ help, json, only, rounds }: ReturnType<typeof parse>): Promise<void> {
  if (help) {
    process.stdout.write(USAGE);
    return;
  }
  const figures: Figure[] = [];
  for (const [name, measure] of Object.entries(GROUPS)) {
    if (!only.includes(name)) continue;
    process.stderr.write(`measuring ${name}…\n`);
    figures.push(...(await measure(rounds)));
  }
  process.stdout.write(report(figures, { json }));
}

let asked: ReturnType<typeof parse> | undefined;
try {
  asked = parse();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  process.exitCode = 2;
}
if (asked !== undefined) await main(asked);
