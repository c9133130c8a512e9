import { parseArgs } from 'node:util';
import { type MarketFigures, type Shape, simulateMarket } from './simulation.ts';

/*
 * `npm run simulate-market [-- --nodes 100,1000] [--load 0.1] [--minutes 1] [--shape equal]`: what advertising and
 * choosing cost, and how even the work is spread. The figures of docs/scale.md.
 */

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '100,1000' },
    load: { type: 'string', default: '0.1' },
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    shape: { type: 'string', default: 'equal' },
  },
});
const shape: Shape = values.shape === 'different' ? 'different' : 'equal';
const figures: MarketFigures[] = [];
for (const nodes of values.nodes.split(',').map(Number)) {
  const init = {
    nodes,
    shape,
    seed: Number(values.seed),
    minutes: Number(values.minutes),
    load: Number(values.load),
  };
  figures.push(await simulateMarket(init));
}
for (const name of Object.keys(figures[0] ?? {})) {
  const row = figures.map((figure) => Number(Object.entries(figure).find(([key]) => key === name)?.[1]));
  process.stdout.write(`${name.padEnd(20)}${row.map((value) => shown(value).padStart(14)).join('')}\n`);
}

function shown(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2);
}
