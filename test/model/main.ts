import { explore } from './explore.ts';
import { SCENARIOS } from './scenarios.ts';

/** Explores every scenario; arguments choose those whose name contains one of them. */
const wanted = process.argv.slice(2);
let states = 0;
const started = performance.now();
for (const scenario of SCENARIOS) {
  if (wanted.length > 0 && !wanted.some((word) => scenario.name.includes(word))) continue;
  const begun = performance.now();
  const explored = explore(scenario);
  states += explored.states;
  const seconds = (performance.now() - begun) / 1000;
  const rate = Math.round(explored.states / seconds);
  const extent = explored.whole ? 'all' : `to depth ${explored.depth}`;
  process.stdout.write(
    `${scenario.name}: ${explored.states} states (${extent}), ${explored.moves} moves, ${rate} states/s\n`,
  );
  if (explored.found === null) continue;
  process.exitCode = 1;
  process.stdout.write(`  VIOLATION: ${explored.found.what}\n`);
  explored.found.events.forEach((event, index) => {
    process.stdout.write(`  ${String(index + 1).padStart(3)}. ${event}\n`);
  });
}
process.stdout.write(`${states} distinct states in ${Math.round((performance.now() - started) / 1000)} s\n`);
