import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MeshError } from '../../../src/lib/errors.ts';
import { boundModule } from '../../../src/wasm/bounded.ts';
import { checkInstructions } from '../../../src/wasm/instructions.ts';
import { checkImports } from '../../../src/wasm/kernel.ts';
import { readSections } from '../../../src/wasm/sections.ts';
import { assemble } from '../../support/assembly-script.ts';
import { SOURCES } from '../../support/wasm-sources.ts';

const PREAMBLE = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const bytes = (values: Iterable<number>): Uint8Array<ArrayBuffer> => Uint8Array.from(values);
const isValid = (module: Uint8Array): boolean => WebAssembly.validate(bytes(module));

/** All that is done with a module before it is compiled; gives what would be compiled. */
function look(module: Uint8Array): Uint8Array {
  const sections = readSections(module);
  checkImports(sections, new Set());
  if (sections.code !== null) checkInstructions(sections.code);
  return boundModule(module, sections, 16);
}

/** What is looked at, or that it was refused; anything else thrown fails the test. */
function lookOrRefuse(module: Uint8Array): Uint8Array | undefined {
  try {
    return look(module);
  } catch (error) {
    if (error instanceof MeshError && ['invalid_payload', 'too_large'].includes(error.code)) return undefined;
    throw error;
  }
}

describe('the reader of modules', () => {
  it('refuses any bytes with a sentence, or gives bytes', () => {
    const section = fc
      .tuple(fc.integer({ min: 0, max: 13 }), fc.uint8Array({ maxLength: 60 }))
      .map(([id, content]) => [id, content.length, ...content]);
    const modules = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((content) => [...content]),
      fc.array(section, { maxLength: 6 }).map((sections) => [...PREAMBLE, ...sections.flat()]),
    );
    fc.assert(
      fc.property(modules, (module) => {
        lookOrRefuse(bytes(module));
      }),
      { numRuns: 5_000 },
    );
  });

  it('takes no module for one that is in order where a byte of it is another', async () => {
    const module = bytes(await assemble(SOURCES.echo));
    expect(isValid(look(module))).toBe(true);
    fc.assert(
      fc.property(fc.nat(module.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = bytes(module);
        changed[at] = (changed[at] ?? 0) ^ change;
        const looked = lookOrRefuse(changed);
        // With a bound on its memory it is neither more nor less of a module than before.
        if (looked !== undefined) expect(isValid(looked)).toBe(isValid(changed));
      }),
      { numRuns: 3_000 },
    );
  });

  it('takes every length of a module that is cut short for none, or for what the engine refuses too', async () => {
    const module = bytes(await assemble(SOURCES.echo));
    for (let length = 0; length < module.length; length++) {
      const cut = module.subarray(0, length);
      const looked = lookOrRefuse(cut);
      if (looked !== undefined) expect(isValid(looked)).toBe(isValid(cut));
    }
  });
});
