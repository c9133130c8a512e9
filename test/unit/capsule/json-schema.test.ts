import { describe, expect, it } from 'vitest';
import { compileJsonSchema } from '../../../src/capsule/json-schema.ts';

const check = compileJsonSchema({
  type: 'object',
  properties: {
    text: { type: 'string' },
    options: { type: 'object', properties: { seed: { type: 'integer' } }, additionalProperties: false },
    retired: false,
  },
  additionalProperties: false,
});

describe('what is wrong with a value', () => {
  it.each([
    ['an unknown field', { text: 'a', channel: 'log' }, '"/channel" is not a known field'],
    ['one further in', { options: { sead: 1 } }, '"/options/sead" is not a known field'],
    ['a field that may not be given', { retired: 1 }, '"/retired" is not allowed'],
    ['a wrong type', { text: 1 }, '/text must be string'],
    ['no object', [], 'the value must be object'],
  ])('is said for %s', (_, value, problem) => {
    expect(check(value)).toBe(problem);
  });

  it('is nothing for one that fits', () => {
    expect(check({ text: 'a', options: { seed: 1 } })).toBeNull();
  });
});
