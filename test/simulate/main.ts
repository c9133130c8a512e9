import { parseArgs } from 'node:util';
import type { Violation } from './invariants.ts';
import { type SimulationInit, type SimulationReport, simulate } from './simulation.ts';

/*
 * `npm run simulate -- --nodes N --capsules C --seed S [--seeds K] [--real-crypto]`: whole nodes in virtual time, with
 * everything going wrong; K seeds from S on. Ends with 1 at the first seed that breaks an invariant.
 */

/** Violations of one seed that are shown with their way. */
const SHOWN = 5;

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '50' },
    capsules: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    'real-crypto': { type: 'boolean', default: false },
    'keep-going': { type: 'boolean', default: false },
  },
});
const count = (text: string): number => {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`"${text}" is not a number`);
  return number;
};

const size = {
  nodes: count(values.nodes),
  capsules: count(values.capsules),
  realCrypto: values['real-crypto'],
};
const first = count(values.seed);
for (let seed = first; seed < first + count(values.seeds); seed++) {
  const begun = performance.now();
  const report = await simulate({ ...size, seed });
  const seconds = (performance.now() - begun) / 1000;
  process.stdout.write(`${line(report)}, ${(size.capsules / seconds).toFixed(0)} capsules/s\n`);
  if (report.violations.length === 0) continue;
  await explain({ ...size, seed }, report.violations);
  process.exitCode = 1;
  if (!values['keep-going']) break;
}

function line({
  seed,
  hash,
  accepted,
  completed,
  failed,
  runs,
  packets,
  crashes,
  ...rest
}: SimulationReport): string {
  const { seconds, violations } = rest;
  const ended = `${accepted} accepted, ${completed} completed, ${failed} failed`;
  return (
    `seed ${seed}: ${violations.length === 0 ? 'holds' : `${violations.length} VIOLATIONS`}; ${ended}, ${runs} runs, ` +
    `${packets} packets, ${crashes} crashes, ${seconds.toFixed(0)} s of virtual time; trace ${hash}`
  );
}

/** Runs the seed once more, and writes down the way of the capsules that show what is wrong. */
async function explain(init: SimulationInit, violations: readonly Violation[]): Promise<void> {
  for (const { capsuleId, sentence } of violations) {
    process.stdout.write(`  ${capsuleId?.slice(0, 8) ?? '        '}  ${sentence}\n`);
  }
  const shown = [...new Set(violations.flatMap(({ capsuleId }) => capsuleId ?? []))].slice(0, SHOWN);
  for (const capsuleId of shown) {
    const { trace } = await simulate({ ...init, watch: [capsuleId] });
    process.stdout.write(`\n${capsuleId}\n${trace.map((each) => `  ${each}\n`).join('')}`);
  }
  const { nodes, capsules, seed, realCrypto } = init;
  const crypto = realCrypto === true ? ' --real-crypto' : '';
  process.stdout.write(
    `\nOnce more: npm run simulate -- --nodes ${nodes} --capsules ${capsules} --seed ${seed}${crypto}\n`,
  );
}
