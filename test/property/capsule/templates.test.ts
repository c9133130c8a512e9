import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonObject, JsonValue } from '../../../protocols/common/v1/schema.ts';
import { type AppliedTemplate, applyTemplate } from '../../../src/capsule/templates.ts';
import { MeshError } from '../../../src/lib/errors.ts';
import { isJson } from '../../../src/lib/json.ts';
import { valueAt as at, leavesOf, plain } from '../../support/mutations.ts';

const NAMES = [
  'a',
  'b',
  '0',
  '1',
  'length',
  'constructor',
  'prototype',
  '__proto__',
  'toString',
  'valueOf',
  'map',
  '',
];
const name = fc.constantFrom(...NAMES);
const reference = fc.array(name, { maxLength: 4 }).map((path) => ['$result', ...path].join('.'));
const scalar = fc.oneof(fc.constantFrom(null, true, 0, 'text'), fc.string({ maxLength: 5 }));
const resultName = fc.constantFrom(...NAMES.filter((candidate) => candidate !== '__proto__'));

const { tree: result } = fc.letrec<{ tree: JsonValue; object: JsonValue; array: JsonValue }>((tie) => ({
  tree: fc.oneof({ maxDepth: 3 }, scalar, tie('object'), tie('array')),
  object: fc.dictionary(resultName, tie('tree'), { maxKeys: 5 }),
  array: fc.array(tie('tree'), { maxLength: 3 }),
}));
const template = fc.dictionary(
  fc.constantFrom('x', 'y', 'constructor'),
  fc.oneof(reference, fc.array(reference, { maxLength: 3 }), fc.record({ deep: reference }), scalar),
);

/** The same look-up, over maps of own members only. */
function reachable(value: JsonValue, path: string[]): JsonValue | undefined {
  const [first, ...rest] = path;
  if (first === undefined) return value;
  if (value === null || typeof value !== 'object') return undefined;
  const inner = new Map(Object.entries(value)).get(first);
  return inner === undefined ? undefined : reachable(inner, rest);
}

describe('templates', () => {
  it('reach own members of the result and nothing else', () => {
    fc.assert(
      fc.property(reference, result, (asked, made) => {
        const value = plain(made);
        const expected = reachable(value, asked.split('.').slice(1));
        if (expected !== undefined)
          expect(applyTemplate({ x: asked }, value).payload).toEqual({ x: expected });
        else
          expect(() => applyTemplate({ x: asked }, value)).toThrow(
            expect.objectContaining({ code: 'template_path_missing' }),
          );
      }),
      { numRuns: 3000 },
    );
  });

  it('give JSON, the same every time, and leave template, result and prototypes as they were', () => {
    const ownNames = Object.getOwnPropertyNames(Object.prototype);
    fc.assert(
      fc.property(template, result, (madeTemplate, madeResult) => {
        const [form, value] = [Object.fromEntries(Object.entries(madeTemplate)), plain(madeResult)];
        const before = JSON.stringify([form, value]);
        const once = attempt(form, value);
        expect(attempt(form, value)).toEqual(once);
        expect(JSON.stringify([form, value])).toBe(before);
        expect(once === 'missing' || isJson(once.payload)).toBe(true);
        expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(ownNames);
      }),
      { numRuns: 1000 },
    );
  });

  it('tell every path that came from the result, and no other', () => {
    const text = fc.constantFrom('$result', '$result.a', '$result.a.0', '$resultant', 'plain', 7);
    const form = fc.dictionary(
      fc.constantFrom('x', 'y', '0'),
      fc.oneof(text, fc.array(text, { maxLength: 3 }), fc.record({ deep: fc.array(text, { maxLength: 2 }) })),
    );
    fc.assert(
      fc.property(form, (made) => {
        const written = plain(made);
        const references = leavesOf(written).filter((path) =>
          /^\$result(\.|$)/.test(String(at(written, path))),
        );
        const { untrusted } = applyTemplate(Object.fromEntries(Object.entries(made)), { a: ['found'] });
        expect(untrusted.toSorted()).toEqual(references.map((path) => path.join('.')).toSorted());
      }),
      { numRuns: 500 },
    );
  });
});

function attempt(form: JsonObject, value: JsonValue): AppliedTemplate | 'missing' {
  try {
    return applyTemplate(form, value);
  } catch (error) {
    if (error instanceof MeshError && error.code === 'template_path_missing') return 'missing';
    throw error;
  }
}
