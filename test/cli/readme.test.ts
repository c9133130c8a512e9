import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mainFile } from '../support/cli.ts';
import { isAsShown, rerun, shownIn, Terminal } from '../support/transcript.ts';

const ROOT = join(import.meta.dirname, '../..');

describe('README.md', async () => {
  const page = await readFile(join(ROOT, 'README.md'), 'utf8');

  it('shows what its commands print, in an empty home directory and in its order', async () => {
    const shown = shownIn(page);
    expect(shown.length).toBeGreaterThan(8);
    await using terminal = await Terminal.open(mainFile());
    for (const each of await rerun(terminal, shown)) {
      if (!isAsShown(each)) expect([each.command, ...each.printed]).toEqual([each.command, ...each.output]);
    }
  });

  it('is read in a few minutes', () => {
    expect(page.split('\n').length).toBeLessThan(200);
  });
});

describe('a transcript', () => {
  it('is as shown where only ids, times and numbers differ', () => {
    const output = ['in order: 5 receipts', `of ${'a'.repeat(64)} at 2026-11-29 00:43:43 UTC`];
    const printed = ['in order: 17 receipts', `of ${'0'.repeat(64)} at 2027-01-01 10:00:00 UTC`];
    expect(isAsShown({ output, printed })).toBe(true);
    expect(isAsShown({ output, printed: ['out of order: 17 receipts', ...printed.slice(1)] })).toBe(false);
    expect(isAsShown({ output, printed: [...printed, 'and more'] })).toBe(false);
    expect(isAsShown({ output: ['in order: 5 receipts', '…'], printed })).toBe(true);
  });

  it('is taken from the console blocks of a page', () => {
    const page = '```console\n$ one --a\n1\n\n2\n\n$ two\n```\n\n```\n$ not this\n```\n';
    expect(shownIn(page)).toEqual([
      { command: 'one --a', output: ['1', '', '2'] },
      { command: 'two', output: [] },
    ]);
  });
});
