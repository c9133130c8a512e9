import { expect, it } from 'vitest';
import { containConsole } from '../../../src/telemetry/contain-console.ts';
import { createLogger } from '../../../src/telemetry/log.ts';

it.each([
  ['trace', 1],
  ['debug', 0],
] as const)('takes what is printed into the log at trace (%s)', (level, expected) => {
  const lines: string[] = [];
  const printed: unknown[] = [];
  const print = (...words: unknown[]) => void printed.push(words);
  const target = { log: print, info: print, warn: print, error: print, debug: print, trace: print };
  const remove = containConsole(
    target,
    createLogger({ level, pretty: false, stream: { write: (line) => void lines.push(line) } }),
  );
  target.warn('invalid json: ', 'a secret');
  expect(printed).toEqual([]);
  expect(lines.map((line) => JSON.parse(line).printed)).toEqual(expected ? ['invalid json:  a secret'] : []);
  remove();
  target.warn('as before');
  expect(printed).toEqual([['as before']]);
});
