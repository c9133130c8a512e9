import { describe, expect, it } from 'vitest';
import { boundModule } from '../../../src/wasm/bounded.ts';
import { checkInstructions } from '../../../src/wasm/instructions.ts';
import { readSections } from '../../../src/wasm/sections.ts';

const section = (id: number, ...content: number[]): number[] => [id, content.length, ...content];
const moduleOf = (...sections: number[][]): Uint8Array =>
  Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...sections.flat()]);
/** One function without parameters that has these instructions. */
const withCode = (...instructions: number[]): Uint8Array =>
  moduleOf(
    section(1, 1, 0x60, 0, 0),
    section(3, 1, 0),
    section(10, 1, instructions.length + 2, 0, ...instructions, 0x0b),
  );
const look = (module: Uint8Array): void => {
  const { code } = readSections(module);
  if (code !== null) checkInstructions(code);
};

describe('a module is refused', () => {
  it.each<[string, number[][], string]>([
    ['for a shared memory', [section(5, 1, 3, 1, 2)], 'shared'],
    ['for a memory of 64 bits', [section(5, 1, 4, 1)], 'larger than 32 bits'],
    ['for two memories', [section(5, 2, 0, 1, 0, 1)], 'more than one memory'],
    ['for a table of another kind', [section(4, 1, 0x40, 0, 0x70, 0, 1)], 'a kind that is not known'],
    [
      'for an imported memory',
      [section(2, 1, 1, 0x61, 1, 0x62, 2, 0, 1)],
      'imports "b" from "a", which is no function',
    ],
    ['for types that are no functions', [section(1, 1, 0x5f, 0)], 'types other than those of functions'],
    ['for sections in a wrong order', [section(5, 0), section(2, 0)], 'wrong order'],
    ['for a section that is there twice', [section(5, 0), section(5, 0)], 'wrong order'],
    ['for a number without end', [[5, 0x80, 0x80, 0x80, 0x80, 0x80, 0]], 'a number that is too long'],
    ['for a list that is longer than the module', [section(7, 0xff, 0xff, 0xff, 0xff, 0x0f)], 'breaks off'],
  ])('%s', (_what, sections, message) => {
    expect(() => look(moduleOf(...sections))).toThrow(message);
  });

  it.each<[string, number[], string]>([
    ['a relaxed vector instruction', [0xfd, 0x80, 0x02], '0xfd 0x100'],
    ['one in a longer spelling', [0xfd, 0x85, 0x82, 0], '0xfd 0x105'],
    ['an atomic instruction', [0xfe, 0x03, 0], '0xfe'],
    ['an instruction for garbage collection', [0xfb, 0x00, 0], '0xfb'],
    ['an exception', [0x08, 0], '0x08'],
    ['a block of a typed reference', [0x02, 0x64, 0, 0x0b], 'type of value'],
    ['the same in a longer spelling', [0x02, 0xe4, 0x7f, 0x0b], 'a block of a type'],
  ])('for %s', (_what, instructions, message) => {
    expect(() => look(withCode(...instructions))).toThrow(message);
  });

  it('not for an instruction that stands in a constant', () => {
    expect(() => look(withCode(0x41, 0xfd, 0x80, 0x02, 0x1a))).not.toThrow();
    expect(() => look(withCode(0x44, 0xfd, 0x80, 0x02, 0xfe, 0, 0, 0, 0, 0x1a))).not.toThrow();
  });
});

describe('the memory of a module', () => {
  const limits = (module: Uint8Array) => readSections(module).memories?.entries[0];
  const bounded = (...entry: number[]) => {
    const module = moduleOf(section(5, 1, ...entry), section(11, 0));
    return boundModule(module, readSections(module), 200);
  };

  it('gets a maximum where it has none, or a higher one', () => {
    expect(limits(bounded(0, 2))).toMatchObject({ minimum: 2, maximum: 200 });
    expect(limits(bounded(1, 2, 0xff, 0x7f))).toMatchObject({ minimum: 2, maximum: 200 });
  });

  it('keeps a lower one', () => {
    expect(limits(bounded(1, 2, 3))).toMatchObject({ minimum: 2, maximum: 3 });
  });

  it('may not begin with more', () => {
    expect(() => bounded(0, 0xc9, 0x01)).toThrow(
      'begins with more than it may have here: 201 of at most 200',
    );
  });
});
