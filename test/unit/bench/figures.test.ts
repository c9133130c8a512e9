import { expect, it } from 'vitest';
import { report } from '../../bench/figures.ts';

const FIGURES = [
  { name: 'one', value: 1.5, atMost: 2 },
  { name: 'another', value: 3, atLeast: 4, detail: '3 over 1' },
];

it('ends with what is missed, and has nothing for programs between', () => {
  const lines = report(FIGURES, { json: false }).trimEnd().split('\n');
  expect(lines[0]).toMatch(/^one +1\.50 +≤ 2 +met$/);
  expect(lines[1]).toMatch(/^another +3\.00 +≥ 4 +MISSED {2}\(3 over 1\)$/);
  expect(lines.slice(2)).toEqual(['', '1 of 2 goals met; missed:', '  another']);
  expect(report(FIGURES.slice(0, 1), { json: false })).toContain('\n\n1 of 1 goals met.\n');
});

it('is one JSON document where a program reads it', () => {
  expect(JSON.parse(report(FIGURES, { json: true }))).toEqual({
    figures: [
      { ...FIGURES[0], met: true },
      { ...FIGURES[1], met: false },
    ],
  });
});
