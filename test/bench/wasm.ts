import { assemble } from '../support/assembly-script.ts';
import type { Figure } from './figures.ts';
import { median, sample } from './measure.ts';
import { startBenchNode } from './node-process.ts';
import { localTrips } from './pipeline.ts';

/** Functions that make a module of 50 KB, all of them reachable. */
const FUNCTIONS = 330;
const LOAD = { lanes: 1, count: 300 };

/**
 * `wasm.run` on one node: from signing the order, with a module of 50 KB in it, until its receipt is durable. What the module itself
 * does is little, so that the figure is what bringing code along costs.
 */
export async function wasmFigures(rounds: number): Promise<Figure[]> {
  const module = await assemble(sourceOf(FUNCTIONS));
  const base64 = Buffer.from(module).toString('base64');
  const bench = await startBenchNode({ echo: false, wasm: true });
  const trips = localTrips(bench, (count) => ({
    requestedCapability: 'wasm.run',
    payload: { module: base64, input: { count } },
  }));
  try {
    const medians: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      const { p50Ms } = await sample(trips, LOAD);
      // The first compiles and warms up.
      if (round > 0) medians.push(p50Ms);
    }
    const detail = `${(module.length / 1_000).toFixed(0)} KB`;
    return [
      { name: 'wasm.run of a 50 KB module, warm, p50 (ms)', value: median(medians), atMost: 2, detail },
    ];
  } finally {
    await trips.stop();
  }
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
