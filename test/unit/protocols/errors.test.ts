import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { ERROR_CODES } from '../../../protocols/common/v1/errors.ts';

const page = (name: string) => readFile(new URL(`../../../docs/${name}`, import.meta.url), 'utf8');

it('the documented table has every code as it is', async () => {
  const rows = (await page('protocol.md')).matchAll(
    /^\| `(\w+)` \| .+ \| (yes|no) \| (yes|no) \| (\d+) \| (\d) \|$/gm,
  );
  const documented = [...rows].map(([, code, elsewhere, later, http, exit]) => [
    code,
    { retryElsewhere: elsewhere === 'yes', passing: later === 'yes', http: Number(http), exit: Number(exit) },
  ]);
  expect(Object.fromEntries(documented)).toEqual(ERROR_CODES);
});

it('what to do about a code is said of no code that is not there', async () => {
  const [, errors = ''] = (await page('operations.md')).split('\n## Errors\n');
  const [table = ''] = errors.split('\n## ');
  const rows = table.split('\n').filter((line) => line.startsWith('| `'));
  const codes = rows.flatMap((row) =>
    [...(row.split(' | ')[0] ?? '').matchAll(/`(\w+)`/g)].map(([, code]) => code),
  );
  expect(codes.filter((code) => !Object.hasOwn(ERROR_CODES, code ?? ''))).toEqual([]);
  for (const code of ['invalid_archive', 'unverified_archive', 'not_a_recipient'])
    expect(codes).toContain(code);
});
