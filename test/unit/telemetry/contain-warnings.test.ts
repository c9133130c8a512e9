import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import { containWarnings } from '../../../src/telemetry/contain-warnings.ts';
import { createLogger } from '../../../src/telemetry/log.ts';

it('has warnings of Node.js as lines of the log, until it is removed', () => {
  const lines: string[] = [];
  const printed: Error[] = [];
  const source = new EventEmitter().on('warning', (warning: Error) => printed.push(warning));
  const stream = { write: (line: string) => void lines.push(line) };
  const remove = containWarnings(source, createLogger({ level: 'info', pretty: false, stream }));
  source.emit('warning', new Error('Something is deprecated.'));
  const expected = { level: 'warn', warning: 'Error', message: 'Something is deprecated.' };
  expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([expected]);
  expect(printed).toEqual([]);
  remove();
  source.emit('warning', new Error('again'));
  expect([lines.length, printed.length]).toEqual([1, 1]);
});
