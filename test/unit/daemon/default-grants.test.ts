import { expect, it } from 'vitest';
import { defaultGrants } from '../../../src/daemon/default-grants.ts';

const granted = { greet: ['storage'] };

it.each([
  ['a built-in module anything', 'text', 'network:config', true],
  ['a built-in module no seal for others', 'text', 'seal:others', false],
  ['another what it is given', 'greet', 'storage', true],
  ['it nothing else', 'greet', 'log', false],
  ['nothing to one that is not named', 'other', 'storage', false],
  ['nothing to one that is called as a property of every object', 'constructor', 'storage', false],
  ['nothing to one that is called as the prototype', '__proto__', 'storage', false],
])('grants %s', (_, module, permission, expected) => {
  expect(defaultGrants({ builtins: true, granted }, new Set(['text']))(module, permission)).toBe(expected);
});

it('grants the built-in modules nothing where the operator says so', () => {
  const grants = defaultGrants({ builtins: false, granted }, new Set(['text', 'greet']));
  expect(grants('text', 'storage')).toBe(false);
  expect(grants('greet', 'storage')).toBe(true);
});
