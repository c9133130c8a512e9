import { describe, expect, it } from 'vitest';
import { deepFreeze, isJson, jsonProblem, parseJson } from '../../../src/lib/json.ts';

const limits = { maxBytes: 1000, maxDepth: 4 };
const parse = (input: string | Uint8Array) => parseJson(input, limits);
const refusal = (code: string) => expect.objectContaining({ name: 'MeshError', code });

describe('parseJson', () => {
  it.each([
    ['null', null],
    ['0', 0],
    ['"a"', 'a'],
    ['{"a":[1,{"b":null}]}', { a: [1, { b: null }] }],
    [' { "b" : 1.50 ,\n"a" : "\\u0041\\u20ac" } ', { b: 1.5, a: 'A€' }],
    ['{"a":{"x":1},"b":{"x":1}}', { a: { x: 1 }, b: { x: 1 } }],
    ['{"a":"\\"a\\":","b":"{\\\\"}', { a: '"a":', b: '{\\' }],
    ['"\\ud83d\\ude00"', '😀'],
    ['{"10":1,"9":2}', { 9: 2, 10: 1 }],
    ['[[[[]]]]', [[[[]]]]],
    ['{"":{"":1}}', { '': { '': 1 } }],
  ])('reads %s', (text, value) => {
    expect(parse(text)).toEqual(value);
    expect(parse(new TextEncoder().encode(text))).toEqual(value);
  });

  it.each([
    ['', 'nothing'],
    ['{', 'an open object'],
    ['{"a":1,}', 'a trailing comma'],
    ["{'a':1}", 'other quotes'],
    ['NaN', 'no number'],
    ['01', 'a leading zero'],
    ['1 2', 'two values'],
    ['\ufeff{}', 'a byte order mark'],
    ['{"a":1,"a":1}', 'a repeated name'],
    ['{"a":1,"b":2,"a":3}', 'a repeated name further on'],
    ['{"a":1,"\\u0061":1}', 'a repeated name, escaped'],
    ['[{"b":{"a":[],"c":1,"a":{}}}]', 'a repeated name further in'],
    ['{"x":{"a":1},"y":[{"a":1,"a":2}]}', 'a repeated name in one of several objects'],
    ['{"":1,"":2}', 'the empty name twice'],
    ['{"__proto__":1}', 'the name of the prototype'],
    ['{"__pr\\u006fto__":1}', 'the name of the prototype, escaped'],
    ['[{"a":{"__proto__":{}}}]', 'the name of the prototype further in'],
    ['"\\ud800"', 'a lone high surrogate'],
    ['"\\udc00\\ud800"', 'surrogates in the wrong order'],
    ['"\ud800"', 'a lone surrogate as it is'],
    ['{"\\ud800":1}', 'a lone surrogate in a name'],
    ['1e400', 'a number above all doubles'],
    ['{"a":[-1e400]}', 'a number below all doubles'],
    ['[[[[[]]]]]', 'one level too many'],
    ['{"a":{"a":{"a":{"a":{}}}}}', 'one level of objects too many'],
  ])('refuses %s: %s', (text) => {
    expect(() => parse(text)).toThrow(refusal('invalid_json'));
  });

  it.each([
    ['22ff22', 'a byte that UTF-8 never has'],
    ['22c3', 'half a character'],
    ['22c0a222', 'an overlong form'],
    ['22eda08022', 'a surrogate in UTF-8'],
    ['efbbbf6e756c6c', 'a byte order mark'],
  ])('refuses the bytes %s: %s', (hex) => {
    expect(() => parse(Buffer.from(hex, 'hex'))).toThrow(refusal('invalid_json'));
  });

  it('counts bytes, not characters, and takes exactly the limit', () => {
    const exact = JSON.stringify('x'.repeat(998));
    expect(parse(exact)).toHaveLength(998);
    expect(() => parse(JSON.stringify('x'.repeat(999)))).toThrow(refusal('too_large'));
    const euros = JSON.stringify('€'.repeat(332));
    expect(parse(euros)).toHaveLength(332);
    expect(() => parse(JSON.stringify('€'.repeat(333)))).toThrow(refusal('too_large'));
    expect(() => parse(new Uint8Array(1001))).toThrow(refusal('too_large'));
  });

  it('refuses a million open brackets without exhausting the stack', () => {
    const deep = '['.repeat(1e6) + ']'.repeat(1e6);
    expect(() => parseJson(deep, { maxBytes: 1e7, maxDepth: 64 })).toThrow(refusal('invalid_json'));
  });

  it('counts depth outside strings only, in long texts too', () => {
    const padding = 'x'.repeat(20_000);
    const deep = (levels: number) =>
      `{"p":"${padding}\\"[[[[[[","a":${'['.repeat(levels)}${']'.repeat(levels)}}`;
    const roomy = { maxBytes: 1e6, maxDepth: 4 };
    expect(parseJson(deep(3), roomy)).toMatchObject({ a: [[[]]] });
    expect(() => parseJson(deep(4), roomy)).toThrow('nested too deeply');
    expect(() => parseJson(`${'['.repeat(3)}"${padding}`, roomy)).toThrow(refusal('invalid_json'));
  });

  it('says where', () => {
    expect(() => parse('{"a":[0,"\\ud800"]}')).toThrow('"a.1" holds a lone surrogate');
    expect(() => parse('{"text":1,"text":2}')).toThrow('the name "text" twice');
  });
});

describe('jsonProblem', () => {
  it.each([
    [undefined, 'undefined'],
    [() => 1, 'function'],
    [Symbol('s'), 'symbol'],
    [1n, 'bigint'],
    [Number.NaN, 'finite'],
    [Number.POSITIVE_INFINITY, 'finite'],
    [new Date(0), 'plain'],
    [new Map(), 'plain'],
    [new Uint8Array(1), 'plain'],
    [{ toJSON: () => 1 }, 'function'],
    [{ a: undefined }, 'undefined'],
    [[undefined], 'undefined'],
    [Array(1), 'undefined'],
    [Object.create({ inherited: 1 }), 'plain'],
  ])('refuses %s', (value, word) => {
    expect(jsonProblem(value, 10)?.problem).toContain(word);
    expect(isJson(value)).toBe(false);
  });

  it('refuses a circle instead of walking it', () => {
    const circle: unknown[] = [];
    circle.push(circle);
    expect(jsonProblem(circle, 64)?.problem).toContain('deep');
  });

  it('takes objects without a prototype', () => {
    expect(jsonProblem(Object.assign(Object.create(null), { a: 1 }), 10)).toBeNull();
  });
});

describe('deepFreeze', () => {
  it('freezes everything inside, and what is shared', () => {
    const shared = { b: 1 };
    const value = deepFreeze({ a: [shared], c: shared });
    expect(Object.isFrozen(value.a)).toBe(true);
    expect(() => Object.assign(shared, { b: 2 })).toThrow(TypeError);
  });
});
