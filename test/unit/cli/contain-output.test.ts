import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import { containOutput } from '../../../src/cli/contain-output.ts';
import { createLogger, type LogLevel } from '../../../src/telemetry/log.ts';

function contained(level: LogLevel) {
  const lines: string[] = [];
  const printed: unknown[] = [];
  const print = (...values: unknown[]) => void printed.push(values);
  const target = { debug: print, log: print, info: print, warn: print, error: print, trace: print };
  const source = new EventEmitter();
  const log = createLogger({ level, pretty: false, stream: { write: (line) => void lines.push(line) } });
  return { lines, printed, target, source, remove: containOutput(target, source, log) };
}

it('keeps what libraries print, and the half of an answer in it, out of a log that is no trace', () => {
  const { lines, printed, target, source, remove } = contained('debug');
  target.warn('invalid json: ', '{"content":"The patient is');
  expect([printed, lines]).toEqual([[], []]);
  source.emit('warning', new Error('Something is deprecated.'));
  expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
    { level: 'warn', message: 'Something is deprecated.' },
  ]);
  remove();
  target.warn('again');
  source.emit('warning', new Error('unheard'));
  expect([printed, lines.length]).toEqual([[['again']], 1]);
});

it('has it at trace, as a line of JSON', () => {
  const { lines, target } = contained('trace');
  target.log('half', 1);
  expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([{ level: 'trace', text: 'half 1' }]);
});
