import { expect, it } from 'vitest';
import { MeshError } from '../../../src/lib/errors.ts';
import { createLogger, type LogLevel } from '../../../src/telemetry/log.ts';

function capture(level: LogLevel, pretty = false) {
  const lines: string[] = [];
  const log = createLogger({ level, pretty, stream: { write: (line) => void lines.push(line) } });
  return { log, lines, last: (): Record<string, unknown> => JSON.parse(lines.at(-1) ?? 'null') };
}

it('writes one JSON line each, with the part that speaks', () => {
  const { log, lines, last } = capture('info');
  log.child({ part: 'engine' }).info({ capsuleId: 'abc' }, 'Capsule completed');
  expect(lines).toHaveLength(1);
  expect(last()).toMatchObject({ level: 'info', part: 'engine', capsuleId: 'abc', msg: 'Capsule completed' });
  expect(last().time).toMatch(/^\d{4}-\d\d-\d\dT/);
  log.debug('not at this level');
  expect(lines).toHaveLength(1);
});

it('is silent when told to be', () => {
  const { log, lines } = capture('silent');
  log.fatal('x');
  expect(lines).toEqual([]);
});

it.each(['info', 'trace'] as const)('redacts secrets at %s, nested ones too', (level) => {
  const { log, lines } = capture('trace');
  log[level](
    { token: 'hush', headers: { authorization: 'Bearer hush', cookie: 'hush' }, a: { b: { seed: 'hush' } } },
    'm',
  );
  log.child({ passphrase: 'hush' })[level]('m');
  expect(lines.join('')).not.toContain('hush');
  expect(lines.join('')).toContain('[redacted]');
});

it('leaves payloads out below trace', () => {
  const { log, lines } = capture('trace');
  const context = { capsuleId: 'abc', payload: { text: 'private' }, result: 'private', delta: 'private' };
  log.debug(context, 'm');
  log.error(context, 'm');
  expect(lines.join('')).not.toContain('private');
  expect(lines.join('')).toContain('abc');
  log.trace(context, 'm');
  expect(lines.at(-1)).toContain('private');
});

it('tells an error’s code and cause, not its detail', () => {
  const { log, last } = capture('info');
  const err = new MeshError(
    'storage_failed',
    'The disk is full.',
    { quoted: 'private' },
    { cause: new Error('ENOSPC') },
  );
  log.error({ err }, 'Stopping');
  expect(last().err).toMatchObject({
    code: 'storage_failed',
    message: 'The disk is full.',
    cause: { message: 'ENOSPC' },
  });
  expect(JSON.stringify(last())).not.toContain('private');
  log.error(err);
  expect(last().err).toMatchObject({ code: 'storage_failed' });
});

it('is readable on a terminal', () => {
  const { log, lines } = capture('info', true);
  log.child({ part: 'engine' }).warn({ capsuleId: 'abc' }, 'Queue is full');
  expect(lines.join('')).toMatch(/WARN.*\[engine\] Queue is full/);
  expect(lines.join('')).toContain('abc');
});

it('does not drive the terminal with what a peer said', () => {
  const { log, lines } = capture('info', true);
  const said = '\u001b]0;owned\u0007\u009b2J\u202e';
  log.warn({ agent: said, nested: [{ [said]: said }], err: new Error(said) }, `Met ${said}`);
  for (const character of ['\u001b]', '\u0007', '\u009b', '\u202e'])
    expect(lines.join('')).not.toContain(character);
  expect(lines.join('')).toContain('Met \\x1b]0;owned');
});

it('says where a parser failed, and not what it quotes', () => {
  const { log, lines, last } = capture('debug');
  try {
    JSON.parse('Ada Roe is ill');
  } catch (error) {
    log.error({ err: new Error('Unreadable.', { cause: error }) }, 'm');
  }
  expect(lines.join('')).not.toContain('Ada');
  expect(last().err).toMatchObject({ message: 'Unreadable.', cause: { type: 'SyntaxError' } });
  expect(JSON.stringify(last().err)).toContain('log.test.ts');
});
