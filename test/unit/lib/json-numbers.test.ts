import { describe, expect, it } from 'vitest';
import { parseJson } from '../../../src/lib/json.ts';
import { isKeptNumber } from '../../../src/lib/json-numbers.ts';

const limits = { maxBytes: 1_000_000, maxDepth: 8 };
const refusal = (path: string, literal: string) =>
  expect.objectContaining({
    code: 'invalid_json',
    detail: { path },
    message: expect.stringContaining(`${literal}, which not every reader knows exactly`),
  });

describe('a number of a JSON text', () => {
  it.each([
    '0',
    '-0',
    '-0.0',
    '0e5',
    '0.1',
    '1.50',
    '1E30',
    '1e23',
    '1.0e+2',
    '5e-324',
    '0.30000000000000004',
    '9007199254740991',
    '-9007199254740992',
    '9007199254740992.0',
    '100000000000000000000',
    '295147905179352830000',
    '1.7976931348623157e+308',
    `1.${'0'.repeat(100_000)}`,
    // The 17 digits that C's printf("%.17g") and .NET write.
    '0.10000000000000001',
    '6.0221407599999999e+23',
  ])('is kept: %s', (literal) => {
    expect(isKeptNumber(literal)).toBe(true);
    expect(parseJson(` ${literal}`, limits)).toBe(Number(literal));
  });

  it.each([
    '9007199254740993',
    '-9007199254740993',
    '9007199254740993.0',
    '9.007199254740993e15',
    '4111111111111111111',
    '36028797018963968',
    '36028797018963968.0',
    '18446744073709551615',
    '12345678901234567890123456789',
    '123456789012345678.5',
    '900719925474099.35',
    '0.1234567890123456789',
    '3.14159265358979323846',
    '333333333.33333329',
    '1.00000000000000000001',
    '1e400',
    '-1e400',
    '1e-400',
    '1e99999999999999999999',
    '4.9e-324',
  ])('is not kept: %s', (literal) => {
    expect(isKeptNumber(literal)).toBe(false);
    expect(() => parseJson(literal, limits)).toThrow(refusal('', literal));
  });

  it('is named by its path', () => {
    const text =
      '{"a":[1,{"b":"]},:4111111111111111111","payload":{"x":[[],{}, 0.5],"card":4111111111111111111}}]}';
    expect(() => parseJson(text, limits)).toThrow(
      'The JSON is not valid: "a.1.payload.card" is the integer 4111111111111111111, which not every reader',
    );
    expect(() => parseJson('[0,[0,1e400]]', limits)).toThrow(refusal('1.1', '1e400'));
    expect(() => parseJson('[{"a":{"b":1}},{"a":1e999,"c":2}]', limits)).toThrow(refusal('1.a', '1e999'));
  });

  it('is not looked for in strings and names', () => {
    const text = '{ "4111111111111111111" : "4111111111111111111", "e" : "1e400 \\" 1e400" }';
    expect(parseJson(text, limits)).toEqual(JSON.parse(text));
  });

  it('is shown in short, however long it is', () => {
    const long = '1'.repeat(500);
    expect(() => parseJson(`{"n":${long}}`, limits)).toThrow(`integer ${'1'.repeat(40)}…, which`);
  });
});
