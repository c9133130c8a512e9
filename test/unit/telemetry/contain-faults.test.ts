import { EventEmitter } from 'node:events';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { containFaults } from '../../../src/telemetry/contain-faults.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

function contained() {
  const lines: { contained: number }[] = [];
  const log = pino({ level: 'error' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const [source, clock] = [new EventEmitter(), new VirtualClock()];
  return { source, clock, lines, remove: containFaults(source, { log, clock }) };
}

it('counts every fault, and logs ten a minute', async () => {
  const { source, clock, lines } = contained();
  for (let count = 0; count < 50; count++) source.emit('uncaughtException', new Error('late'));
  expect(lines.map((line) => line.contained)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  await clock.advance(60_000);
  source.emit('unhandledRejection', 'no error at all');
  expect(lines.at(-1)).toMatchObject({ contained: 51 });
});

it('does not write to a log whose reader has gone', () => {
  const { source, lines } = contained();
  source.emit('uncaughtException', Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
  expect(lines).toEqual([]);
});

it('leaves faults to others when removed', () => {
  const { source, remove } = contained();
  remove();
  expect(source.eventNames()).toEqual([]);
});
