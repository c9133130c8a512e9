import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GENESIS_HASH, type Receipt } from '../../../protocols/receipt/v1/schema.ts';
import { inProcess } from '../../support/cli.ts';
import { receiptOf, rootCapsule } from '../../support/documents.ts';
import { carol } from '../../support/keys.ts';

interface Entry {
  sequence: number;
  receipt: Receipt;
}

describe('receipts verify --from', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'capsule-receipts-'));
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  /** Bob's chain of `length` receipts, newest first, as `receipts export` writes it. */
  function chain(length: number): Entry[] {
    const entries: Entry[] = [];
    let previousReceiptHash = GENESIS_HASH;
    for (let sequence = 1; sequence <= length; sequence++) {
      const capsule = rootCapsule({ payload: { text: String(sequence) } });
      const receipt = receiptOf(capsule, { sequence }, { previousReceiptHash });
      entries.unshift({ sequence, receipt });
      previousReceiptHash = receipt.receiptHash;
    }
    return entries;
  }

  const lines = (entries: readonly Entry[]): string =>
    entries.map((entry) => `${JSON.stringify(entry)}\n`).join('');

  function verify(text: string) {
    const file = join(folder, 'receipts.jsonl');
    writeFileSync(file, text);
    return inProcess(['receipts', 'verify', '--from', file, '--json']);
  }

  const last = <T>(items: T[]): T => items.at(-1) ?? expect.fail('nothing there');

  it('accepts a whole chain, from a file and from standard input', async () => {
    const text = lines(chain(4));
    expect(JSON.parse((await verify(text)).stdout)).toEqual({ ok: true, receipts: 4, problems: [] });
    expect(await inProcess(['receipts', 'verify', '--from', '-'], { input: text })).toEqual({
      code: 0,
      stdout: 'in order: 4 receipts\n',
      stderr: '',
    });
    expect(JSON.parse((await verify('')).stdout)).toMatchObject({ ok: true, receipts: 0 });
  });

  it.each<[string, (entries: Entry[]) => unknown, string]>([
    [
      'an edited receipt',
      ([first]) => first && Object.assign(first.receipt, { finishedAt: 1 }),
      'not the hash',
    ],
    ['a deleted receipt', (entries) => entries.splice(1, 1), 'followed by receipt'],
    ['a missing beginning', (entries) => entries.pop(), 'does not go back to its beginning'],
    [
      'a reordering',
      (entries) => entries.splice(1, 2, ...entries.slice(1, 3).reverse()),
      'followed by receipt',
    ],
    [
      'numbers that hide a deletion',
      (entries) => {
        entries.splice(1, 1);
        for (const [index, entry] of entries.entries()) entry.sequence = entries.length - index;
      },
      'does not name it as the one before',
    ],
    [
      'a receipt of somebody else',
      (entries) => {
        const { receipt } = last(entries);
        last(entries).receipt = receiptOf(
          rootCapsule(),
          {},
          { previousReceiptHash: receipt.previousReceiptHash, identity: carol.identity },
          carol,
        );
      },
      'another identity',
    ],
    ['something that is no receipt', (entries) => Object.assign(last(entries), { receipt: {} }), 'not valid'],
  ])('finds %s', async (_, tamper, problem) => {
    const entries = chain(4);
    tamper(entries);
    const ran = await verify(lines(entries));
    expect(ran.code).toBe(1);
    const found = JSON.parse(ran.stdout) as { ok: boolean; problems: { problem: string }[] };
    expect(found.ok).toBe(false);
    expect(found.problems.map((each) => each.problem).join('\n')).toContain(problem);
  });

  it.each(['{', '[]', '{"sequence":1}', '{"sequence":"1","receipt":{}}'])(
    'refuses the line %s',
    async (line) => {
      const ran = await verify(`${line}\n`);
      expect(ran).toMatchObject({ code: 2, stdout: '' });
      expect(ran.stderr).toContain('Line 1 is not an exported receipt. (usage)');
    },
  );

  it('refuses a file that is not there', async () => {
    const ran = await inProcess(['receipts', 'verify', '--from', join(folder, 'missing')]);
    expect(ran).toMatchObject({ code: 2 });
    expect(ran.stderr).toContain('ENOENT');
  });
});
