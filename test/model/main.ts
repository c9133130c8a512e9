import { parseArgs } from 'node:util';
import { explore } from './explore.ts';
import { SCENARIOS } from './scenarios.ts';

/** Distinct states for each scenario, where `--most` says nothing else. */
const MOST = 20_000;

/** Explores every scenario, or those whose name contains one of the arguments. */
const { values, positionals } = parseArgs({ allowPositionals: true, options: { most: { type: 'string' } } });
const most = Number(values.most ?? MOST);
const wanted = SCENARIOS.filter(
  ({ name }) => positionals.length === 0 || positionals.some((word) => name.includes(word)),
);
const print = (line: string) => process.stdout.write(`${line}\n`);
const rateOf = (states: number, begun: NodeJS.CpuUsage) => {
  const { user, system } = process.cpuUsage(begun);
  return `${Math.round(states / ((user + system) / 1_000_000))} states per second of processor time`;
};

let all = 0;
const started = process.cpuUsage();
for (const scenario of wanted) {
  const begun = process.cpuUsage();
  const { states, moves, whole, depth, found } = explore(scenario, most);
  all += states;
  const extent = whole ? 'all there are' : `to depth ${depth}`;
  print(`${scenario.name}: ${states} states, ${extent}, ${moves} moves, ${rateOf(states, begun)}`);
  if (found === null) continue;
  process.exitCode = 1;
  print(`  VIOLATION: ${found.what}`);
  found.events.forEach((event, index) => {
    print(`  ${String(index + 1).padStart(3)}. ${event}`);
  });
}
print(`${all} distinct states in ${wanted.length} scenarios, ${rateOf(all, started)}`);
