import { fileURLToPath } from 'node:url';
import { wasmTimeLimit } from '../../src/daemon/wasm-time-limit.ts';
import type { MeshEngine } from '../../src/engine/engine.ts';
import { ThreadPool } from '../../src/engine/runners/threads/thread-pool.ts';
import { WasmPool } from '../../src/engine/runners/wasm/wasm-pool.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { assemble } from '../support/assembly-script.ts';
import { silentLog } from '../support/database.ts';
import { resultOf } from '../support/engine.ts';
import type { Figure } from './figures.ts';
import { median, sample } from './measure.ts';
import { startBenchNode } from './node-process.ts';
import { localTrips } from './pipeline.ts';
import { own, withEngine } from './runners.ts';

const FOLDER = fileURLToPath(new URL('../../capabilities/wasm', import.meta.url));
/** Functions that make a module of 50 KB, all of them reachable. */
const FUNCTIONS = 480;
const CALLS = 1_000;
const WARM_UP = 200;
const ORDERS = 300;

/** Milliseconds from the intent to its signed receipt. What the module does is little: the figure is what bringing code along costs. */
async function callMs(module: string): Promise<number> {
  const components = { clock: systemClock, log: silentLog };
  const probes = new ThreadPool(components);
  const init = { rooms: 1, memoryMb: 512, timeLimit: wasmTimeLimit };
  const pool = new WasmPool({ ...components, probes }, init);
  const config = new Map([['wasm', { allow: 'all' }]]);
  const calls = async (engine: MeshEngine): Promise<number> => {
    const took: number[] = [];
    for (let call = 0; call < WARM_UP + CALLS; call++) {
      const begun = performance.now();
      resultOf(await engine.handleIntent(own('wasm.run', { module, input: call })));
      if (call >= WARM_UP) took.push(performance.now() - begun);
    }
    return median(took);
  };
  try {
    return await withEngine(FOLDER, pool, calls, config);
  } finally {
    await probes.stop();
  }
}

/** The same as an order to a node with its store on disk: the module is in the order that is kept, and twice on its way. */
async function orderMs(module: string): Promise<number> {
  const bench = await startBenchNode({ echo: false, wasm: true });
  const trips = localTrips(bench, (count) => ({
    requestedCapability: 'wasm.run',
    payload: { module, input: count },
  }));
  try {
    await sample(trips, { lanes: 1, count: WARM_UP });
    return (await sample(trips, { lanes: 1, count: ORDERS })).p50Ms;
  } finally {
    await trips.stop();
  }
}

export async function wasmFigures(rounds: number): Promise<Figure[]> {
  const module = await assemble(sourceOf(FUNCTIONS));
  const base64 = Buffer.from(module).toString('base64');
  const medians: number[] = [];
  for (let round = 0; round < rounds; round++) medians.push(await callMs(base64));
  const order = (await orderMs(base64)).toFixed(1);
  const detail = `${(module.length / 1_000).toFixed(0)} KB; ${order} ms as a signed order to a node with a durable store`;
  return [{ name: 'wasm.run of a 50 KB module, warm, p50 (ms)', value: median(medians), atMost: 2, detail }];
}

function sourceOf(count: number): string {
  const numbers = Array.from({ length: count }, (_, index) => index);
  const functions = numbers.map(
    (index) => `
function mix${index}(value: u32): u32 {
  for (let round: u32 = 0; round < value % ${index + 3}; round++) {
    value = rotl<u32>(value ^ ${(index * 2_654_435_761) % 4_294_967_296}, ${(index % 29) + 1}) + round * ${index + 7};
    if ((value & ${index + 1}) == ${index % 7}) value = value * ${2 * index + 1} + (value >> ${(index % 13) + 1}) ^ ${index * 977};
    else value = (value << ${(index % 11) + 1}) - (value / ${index + 2});
  }
  return value;
}`,
  );
  const cases = numbers.map((index) => `case ${index}: return mix${index}(value);`);
  return `
import { Host } from '@extism/as-pdk';
${functions.join('\n')}
function mix(which: u32, value: u32): u32 { switch (which) { ${cases.join(' ')} } return value; }
export function run(): i32 {
  const input = Host.inputString();
  const mixed = mix(input.length % ${count}, input.length);
  Host.outputString('{"mixed":' + mixed.toString() + '}');
  return 0;
}`;
}
