import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nameCollisions, portabilityProblem } from '../../../../src/archive/zip/portable-names.ts';

describe('names that Windows cannot have', () => {
  it.each([
    ['aux.txt', 'device'],
    ['payload/CON', 'device'],
    ['payload/nul.tar.gz', 'device'],
    ['com1/notes.txt', 'device'],
    ['LPT².txt', 'device'],
    ['prn .txt', 'device'],
    ['CONOUT$', 'device'],
    ['payload/10:30.md', 'a : in it'],
    ['what?', 'a ? in it'],
    ['a"b', 'a " in it'],
    ['notes.', 'dot or a space'],
    ['notes /x', 'dot or a space'],
  ])('%j', (path, problem) => {
    expect(portabilityProblem(path)).toContain(problem);
  });

  it.each([
    'auxiliary.txt',
    'payload/console',
    'com.txt',
    'com10.txt',
    'x.aux',
    '.hidden',
    'a b',
    "it's (1) & é",
    'folder/',
  ])('not %j', (path) => {
    expect(portabilityProblem(path)).toBeNull();
  });
});

describe('names that collide', () => {
  it.each([
    [['Data.csv', 'data.csv'], '"Data.csv" and "data.csv" differ only in case'],
    [['x/ΟΔΟΣ', 'x/οδοσ'], '"x/ΟΔΟΣ" and "x/οδοσ" differ only in case'],
    [['x/A/1', 'x/a/2'], '"x/A" and "x/a" differ only in case'],
    [['re\u0301sume', 'r\u00e9sume'], '"re\u0301sume" and "r\u00e9sume" differ only in Unicode form'],
    [['x/y/z', 'x/y'], '"x/y" is a file and a folder at once, for "x/y/z"'],
  ])('%j', (paths, problem) => {
    expect(nameCollisions(paths)).toEqual([problem]);
    expect(nameCollisions(paths.toReversed())).toHaveLength(1);
  });

  it('are none where files only look alike or lie in one folder', () => {
    expect(nameCollisions(['a', 'a-b', 'ab', 'b/', 'b/a', 'b/c/d', 'b/c-d', 'é', 'e'])).toEqual([]);
  });

  it('are found wherever a file system would make two names one', () => {
    const name = fc.constantFrom('a', 'A', 'ab', 'a-', 'é', 'e\u0301', 'É', 'z');
    const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((segments) => segments.join('/'));
    fc.assert(
      fc.property(fc.uniqueArray(path, { maxLength: 12 }), (paths) => {
        expect(nameCollisions(paths).length > 0).toBe(wouldCollide(paths));
      }),
      { numRuns: 3_000, seed: 8 },
    );
  });
});

/** By making each file, and the folders for it, in a file system that ignores case and Unicode form. */
function wouldCollide(paths: readonly string[]): boolean {
  const made = new Map<string, string>();
  return paths.some((path) => {
    const segments = path.split('/');
    return segments.some((_, index) => {
      const kind = index === segments.length - 1 ? 'file' : 'folder';
      const name = segments.slice(0, index + 1).join('/');
      const key = name.normalize('NFC').toLowerCase();
      const before = made.get(key) ?? `${kind} ${name}`;
      made.set(key, before);
      return before !== `${kind} ${name}`;
    });
  });
}
