import { assert, constantFrom, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PITH_MAX_CHARS, pith, pithPayload } from '../../../src/archive/seal/pith.ts';

const words = (count: number, word = 'word') => Array.from({ length: count }, () => word).join(' ');

describe('pith', () => {
  it.each([
    ['unifies line ends, drops empty lines, joins by one space', 'a\r\nb\rc\n\n  \nd', 'a b c d'],
    ['folds runs of blanks', '  a \t\t b   c ', 'a b c'],
    ['keeps three sentences', 'One. Two! Three? Four.', 'One. Two! Three?'],
    ['counts a run of marks as one end', 'Really?! Yes... Good. More', 'Really?! Yes... Good.'],
    ['keeps three without a mark at the end', 'One. Two. three', 'One. Two. three'],
    ['cuts a fourth without a mark', 'One. Two. Three. four', 'One. Two. Three.'],
    ['takes nothing out of numbers that it keeps', 'Rate 3.5 percent. Done.', 'Rate 3.5 percent. Done.'],
    ['leaves marks alone as they are', '...', '...'],
    ['leaves nothing as nothing', ' \n\t ', ''],
  ])('%s', (_, text, expected) => {
    expect(pith(text)).toBe(expected);
  });

  it('leaves 280 characters and cuts 281 at a word end', () => {
    const fits = `${words(55)} ${'x'.repeat(5)}`;
    expect(fits).toHaveLength(280);
    expect(pith(fits)).toBe(fits);
    expect(pith(`${fits}y`)).toBe(`${words(55)}…`);
  });

  it('takes a word end at 60 % of the limit and none before', () => {
    const late = `${'a'.repeat(167)} ${'b'.repeat(300)}`;
    expect(pith(late)).toBe(`${'a'.repeat(167)}…`);
    const early = `${'a'.repeat(166)} ${'b'.repeat(300)}`;
    expect(pith(early)).toBe(`${early.slice(0, 279)}…`);
  });

  it('removes marks and blanks before the ellipsis', () => {
    const text = `${'a'.repeat(200)} - ,; ${'b'.repeat(100)}`;
    expect(pith(text)).toBe(`${'a'.repeat(200)}…`);
    expect(pith('-'.repeat(300))).toBe(`${'-'.repeat(279)}…`);
  });

  it('never cuts a character in half', () => {
    const text = `${'a'.repeat(278)}${'😀'.repeat(10)}`;
    expect(pith(text)).toBe(`${'a'.repeat(278)}…`);
    expect(pith(`${'a'.repeat(277)}${'😀'.repeat(10)}`)).toBe(`${'a'.repeat(277)}😀…`);
  });

  it('is never longer than its limit, well-formed, and final', () => {
    const anything = string({ unit: 'binary', maxLength: 400 });
    const prose = string({ unit: constantFrom(...'ab .!?\n\t-,😀\u00a0'), maxLength: 600 });
    for (const input of [anything, prose]) {
      assert(
        property(input, (written) => {
          const once = pith(written);
          expect(once.length).toBeLessThanOrEqual(PITH_MAX_CHARS);
          expect(once.isWellFormed()).toBe(true);
          expect(pith(once)).toBe(once);
        }),
      );
    }
  });
});

describe('pithPayload', () => {
  it('normalises the narrative fields and nothing else', () => {
    const long = 'One. Two. Three. Four.';
    const short = 'One. Two. Three.';
    const payload = {
      summary: long,
      statement: long,
      note: long,
      title: long,
      open_items: [{ item: long, text: long }, long, null],
      decisions: [{ text: long }],
      milestones: [{ text: long, item: long }],
      nested: { summary: long },
    };
    const before = structuredClone(payload);
    expect(pithPayload(payload)).toEqual({
      ...before,
      summary: short,
      statement: short,
      note: short,
      open_items: [{ item: short, text: long }, long, null],
      decisions: [{ text: short }],
      milestones: [{ text: short, item: long }],
    });
    expect(payload).toEqual(before);
  });

  it('leaves fields of another kind', () => {
    const payload = { summary: 7, open_items: 'a. b. c. d.', decisions: [[{ text: 'a. b. c. d.' }]] };
    expect(pithPayload(payload)).toEqual(payload);
  });
});
