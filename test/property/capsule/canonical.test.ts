import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonValue } from '../../../protocols/common/v1/schema.ts';
import { canonicalJson, isJson, parseJson } from '../../../src/lib/json.ts';

const limits = { maxBytes: 1e6, maxDepth: 512 };
const json = fc.jsonValue({ stringUnit: 'binary', maxDepth: 4 }).filter((value) => isJson(value));

/** The same value with the names of every object in another order. */
function shuffled(value: unknown, seed: number): unknown {
  if (Array.isArray(value)) return value.map((item) => shuffled(item, seed + 1));
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).map(([name, member]) => [name, shuffled(member, seed * 31 + 7)]);
  const turn = members.length === 0 ? 0 : seed % members.length;
  const turned = [...members.slice(turn), ...members.slice(0, turn)];
  return Object.fromEntries(seed % 2 === 0 ? turned : turned.reverse());
}

/** The same text value with every character of every string escaped. */
function escaped(text: string): string {
  return text.replace(/"((?:[^"\\]|\\.)*)"/g, (literal) => {
    const units = [...Array(JSON.parse(literal).length).keys()].map((at) =>
      JSON.parse(literal).charCodeAt(at),
    );
    return `"${units.map((unit: number) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')}"`;
  });
}

describe('the canonical form', () => {
  it('is the same in whatever order, spacing and escaping a value is written', () => {
    fc.assert(
      fc.property(json, fc.nat(1000), fc.constantFrom(0, 1, 2, '\t', '\n'), (value, seed, indent) => {
        const canonical = canonicalJson(value);
        const rewritten = JSON.stringify(shuffled(value, seed), null, indent);
        expect(canonicalJson(parseJson(rewritten, limits))).toBe(canonical);
        expect(canonicalJson(parseJson(escaped(rewritten), limits))).toBe(canonical);
      }),
      { numRuns: 300 },
    );
  });

  it('is itself what it is the canonical form of', () => {
    fc.assert(
      fc.property(json, (value) => {
        const canonical = canonicalJson(value);
        expect(canonicalJson(parseJson(canonical, limits))).toBe(canonical);
      }),
      { numRuns: 300 },
    );
  });

  it('differs for values that differ', () => {
    fc.assert(
      fc.property(json, json, (one, other) => {
        const same = canonicalJson(one) === canonicalJson(other);
        // JSON has no negative zero; otherwise equal text is an equal value.
        expect(same).toBe(JSON.stringify(sorted(one)) === JSON.stringify(sorted(other)));
      }),
      { numRuns: 300 },
    );
  });
});

describe('parseJson', () => {
  it('reads what JSON.parse reads, and refuses what it refuses', () => {
    const nearJson = fc.oneof(
      json.map((value) => JSON.stringify(value)),
      fc.string({ unit: fc.constantFrom(...'{}[]:,"\\ \n0123e+-.truefalsn'), maxLength: 30 }),
    );
    fc.assert(
      fc.property(nearJson, (text) => {
        let expected: JsonValue | undefined;
        try {
          expected = JSON.parse(text);
        } catch {
          expect(() => parseJson(text, limits)).toThrow(expect.objectContaining({ code: 'invalid_json' }));
          return;
        }
        if (isJson(expected) && !hasTwins(text)) expect(parseJson(text, limits)).toEqual(expected);
        else expect(() => parseJson(text, limits)).toThrow(expect.objectContaining({ code: 'invalid_json' }));
      }),
      { numRuns: 2000 },
    );
  });

  it('finds a repeated name anywhere', () => {
    const names = fc.uniqueArray(fc.string({ unit: 'grapheme', minLength: 1 }), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(names, fc.nat(5), fc.nat(6), fc.nat(3), json, (all, which, where, depth, value) => {
        const usable = all.filter((name) => name !== '__proto__');
        fc.pre(usable.length > 0);
        const members = usable.map((name) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
        const twin = members[which % members.length] ?? '';
        const twice = members.toSpliced(where % (members.length + 1), 0, twin);
        const wrap = (text: string) => '{"outer":['.repeat(depth) + text + ']}'.repeat(depth);
        expect(isJson(parseJson(wrap(`{${members}}`), limits))).toBe(true);
        expect(() => parseJson(wrap(`{${twice}}`), limits)).toThrow('twice in one object');
      }),
      { numRuns: 300 },
    );
  });
});

/** Whether parsing and writing lost a member, by counting them. */
function hasTwins(text: string): boolean {
  const count = (source: string) => source.replace(/"(?:[^"\\]|\\.)*"/g, '').split(':').length;
  return count(text) !== count(JSON.stringify(JSON.parse(text)));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .map(([name, member]) => [name, sorted(member)])
    .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))
    .concat([['an object']]);
}
