import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkLayers } from '../../../scripts/check-layers.ts';

describe('check-layers', () => {
  let root: string;

  const write = (files: Record<string, string>) => {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), text);
    }
  };

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'layers-'));
    write({ 'protocols/common/v1/a.ts': '', 'capabilities/text/index.ts': '', 'src/lib/a.ts': '' });
  });

  afterEach(() => rmSync(root, { recursive: true }));

  it('accepts imports that point down or stay in their folder', () => {
    write({
      'src/cli/main.ts': "import { a } from '../daemon/a.ts';\nimport './b.ts';\n",
      'src/cli/b.ts': "import { readFile } from 'node:fs';\n",
      'src/daemon/a.ts': "export * from '../engine/a.ts';\nconst x = await import('../lib/a.ts');\n",
      'src/api/a.ts': "import { a } from '../workflow/a.ts';\n",
      'src/workflow/a.ts': "import { a } from '../exchange/a.ts';\n",
      'src/exchange/a.ts': "import { a } from '../engine/a.ts';\n",
      'src/engine/a.ts': "import {\n  one,\n  two,\n} from '../../protocols/common/v1/a.ts';\n",
      'src/engine/capability.ts': '',
      'src/lib/a.ts': "import type { A } from '../../protocols/common/v1/a.ts';\n",
      'capabilities/text/index.ts': "import type { Intent } from '../../src/engine/capability.ts';\n",
    });
    expect(checkLayers(root)).toEqual([]);
  });

  it.each([
    ['upwards', 'src/store/a.ts', "import { b } from '../engine/b.ts';"],
    ['upwards', 'src/store/a.ts', "import type { B } from '../engine/b.ts';"],
    ['upwards', 'src/store/a.ts', "export { b } from '../engine/b.ts';"],
    ['upwards', 'src/store/a.ts', "const b = await import('../engine/b.ts');"],
    ['upwards', 'src/store/a.ts', "import {\n  b,\n} from '../engine/b.ts';"],
    ['upwards', 'src/exchange/a.ts', "import type { B } from '../workflow/b.ts';"],
    ['upwards', 'src/exchange/a.ts', "import type { B } from '../api/b.ts';"],
    ['upwards', 'src/workflow/a.ts', "import type { B } from '../api/b.ts';"],
    ['upwards', 'src/lib/a.ts', "import type { B } from '../../protocols/capsule/v1/schema.ts';"],
    ['sideways', 'src/engine/a.ts', "import type { B } from '../market/b.ts';"],
    ['not open to capabilities', 'capabilities/text/index.ts', "import '../../src/store/b.ts';"],
    ['not open to capabilities', 'capabilities/text/index.ts', "import '../report/index.ts';"],
    ['never imported', 'src/daemon/a.ts', "import '../../capabilities/text/index.ts';"],
    ['no layer', 'src/misc/a.ts', "import '../lib/a.ts';"],
    ['no layer', 'src/daemon/a.ts', "import '../misc/a.ts';"],
  ])('refuses an import %s', (why, file, text) => {
    write({ [file]: `${text}\n` });
    const problems = checkLayers(root);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(file);
    expect(problems[0]).toContain(why);
  });

  it('refuses a circle of files, even of types inside one folder', () => {
    write({
      'src/store/a.ts': "import type { B } from './b.ts';\n",
      'src/store/b.ts': "import { c } from './c.ts';\n",
      'src/store/c.ts': "import { a } from './a.ts';\n",
    });
    const problems = checkLayers(root);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^circle: (src\/store\/[abc]\.ts -> ){3}src\/store\/[abc]\.ts$/);
  });
});
