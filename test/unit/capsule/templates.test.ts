import { describe, expect, it } from 'vitest';
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

  it('refuses a short template that multiplies a long result', () => {
    const template = { copies: Array.from({ length: 10_000 }, () => '$result.text') };
    expect(() => applyTemplate(template, { text: 'x'.repeat(100_000) })).toThrow(
      expect.objectContaining({ code: 'too_large' }),
    );
  });
});
