import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { applyTemplate } from '../../../src/capsule/templates.ts';

const result = {
  summary: 'short',
  list: ['a', { b: 'c' }],
  nothing: null,
  zero: 0,
  no: false,
  '': { '': 'empty names' },
  'dotted.name': 'unreachable',
};

describe('applyTemplate', () => {
  it.each([
    ['$result', result],
    ['$result.summary', 'short'],
    ['$result.list', result.list],
    ['$result.list.0', 'a'],
    ['$result.list.1.b', 'c'],
    ['$result.nothing', null],
    ['$result.zero', 0],
    ['$result.no', false],
    ['$result..', 'empty names'],
  ])('replaces %s', (reference, value) => {
    expect(applyTemplate({ at: reference }, result)).toEqual({ payload: { at: value }, untrusted: ['at'] });
  });

  it.each(['$resultant', '$Result', ' $result', 'the $result', '$', '', '$result[0]', '$$result'])(
    'leaves %j as it is',
    (text) => {
      expect(applyTemplate({ at: text }, result)).toEqual({ payload: { at: text }, untrusted: [] });
    },
  );

  it('reaches into objects and arrays, keeps everything else, and tells which paths came from the result', () => {
    const template = {
      a: [1, '$result.summary', { b: '$result.list.0' }],
      c: null,
      d: true,
      e: { f: 'plain' },
    };
    expect(applyTemplate(template, result)).toEqual({
      payload: { a: [1, 'short', { b: 'a' }], c: null, d: true, e: { f: 'plain' } },
      untrusted: ['a.1', 'a.2.b'],
    });
  });

  it('tells paths sorted, and no path twice', () => {
    const template = { b: '$result.zero', a: { 'x.y': '$result.zero', x: { y: '$result.no' } } };
    expect(applyTemplate(template, result).untrusted).toEqual(['a.x.y', 'b']);
  });

  it('tells of more paths than a lineage names only which members hold them', () => {
    const marks = (count: number) => new Array<string>(count).fill('$result.zero');
    const paths = (template: JsonObject) => applyTemplate(template, result).untrusted;
    expect(paths({ a: marks(255), b: { c: '$result.no' } })).toHaveLength(256);
    expect(paths({ a: marks(256), b: { c: '$result.no' }, d: 1 })).toEqual(['a', 'b']);
  });

  it('refuses a template whose every member of too many comes from the result', () => {
    const members = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`m${index}`, '$result.zero']));
    expect(applyTemplate(members(256), result).untrusted).toHaveLength(256);
    expect(() => applyTemplate(members(257), result)).toThrow(expect.objectContaining({ code: 'too_large' }));
  });

  it('never fills in a second time what a result says', () => {
    expect(applyTemplate({ at: '$result.x' }, { x: '$result.secret', secret: 1 }).payload).toEqual({
      at: '$result.secret',
    });
  });

  it('leaves names alone', () => {
    expect(applyTemplate({ '$result.summary': 1 }, result).payload).toEqual({ '$result.summary': 1 });
  });

  it.each([
    '$result.missing',
    '$result.summary.length',
    '$result.summary.0',
    '$result.list.length',
    '$result.list.2',
    '$result.list.-1',
    '$result.list.00',
    '$result.list.1.c',
    '$result.nothing.x',
    '$result.constructor',
    '$result.toString',
    '$result.__proto__',
    '$result.list.constructor',
    '$result.list.map',
    '$result.dotted.name',
    '$result.',
    '$result.a.',
  ])('refuses %s and names it', (reference) => {
    const withoutEmpty = { ...result, '': undefined };
    expect(() => applyTemplate({ a: [reference] }, withoutEmpty)).toThrow(
      expect.objectContaining({
        code: 'template_path_missing',
        message: expect.stringContaining(reference),
        detail: { path: reference },
      }),
    );
  });

  it.each([undefined, 'text', 7, null])('finds nothing below the result %s', (value) => {
    expect(() => applyTemplate({ a: '$result.x' }, value)).toThrow(
      expect.objectContaining({ code: 'template_path_missing' }),
    );
  });

  it('makes own properties even of names that careless code inherits', () => {
    const template = JSON.parse('{"__proto__":"$result.summary","constructor":"$result.zero"}');
    const { payload } = applyTemplate(template, result);
    expect(Object.getPrototypeOf(payload)).toBe(Object.prototype);
    expect(Object.keys(payload)).toEqual(['__proto__', 'constructor']);
  });

  it('refuses a template whose paths would be longer than any capsule', () => {
    const name = 'n'.repeat(100_000);
    const template = { [name]: Array.from({ length: 11 }, () => '$result.zero') };
    expect(() => applyTemplate(template, result)).toThrow(expect.objectContaining({ code: 'too_large' }));
  });

  it('refuses a short template that multiplies a long result', () => {
    const template = { copies: Array.from({ length: 10_000 }, () => '$result.text') };
    expect(() => applyTemplate(template, { text: 'x'.repeat(100_000) })).toThrow(
      expect.objectContaining({ code: 'too_large' }),
    );
  });
});
