import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const IMPORT = /^(?:import|export)\s(?!type\s)[^'";]*?from\s+'(\.[^']+)'|^import\s+'(\.[^']+)'/gm;

/** Every file that is run with this one, itself included; types are gone by then. */
function runWith(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const [, from, bare] of readFileSync(new URL(file), 'utf8').matchAll(IMPORT))
    runWith(new URL(from ?? bare ?? '', file).href, seen);
  return seen;
}

describe('the generators of vectors', () => {
  it.each(['generate-archive-vectors', 'generate-protocol-vectors'])(
    '%s runs nothing of the code that the vectors judge',
    (name) => {
      const root = new URL('../../../', import.meta.url).href;
      const files = [...runWith(new URL(`test/vectors/${name}.ts`, root).href)].map((file) =>
        file.slice(root.length),
      );
      expect(files).toContain('test/vectors/primitives.ts');
      expect(files.filter((file) => !/^test\/(?:vectors|support)\//.test(file))).toEqual([]);
    },
  );
});
