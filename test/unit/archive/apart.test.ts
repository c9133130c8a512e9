import { describe, expect, it } from 'vitest';
import { verifyApart } from '../../../src/archive/apart/apart.ts';
import { verificationReport } from '../../../src/archive/report.ts';
import { verifyArchive } from '../../../src/archive/verify.ts';
import { archiveBytes, components, patched } from '../../support/archives.ts';
import { alice } from '../../support/keys.ts';
import { rawZip } from '../../support/raw-zip.ts';

const small = await archiveBytes();
const large = await archiveBytes({
  payload: [{ path: 'big', content: new TextEncoder().encode('large '.repeat(100_000)) }],
});
/** A few hundred bytes that unpack to a megabyte of `manifest.json`. */
const packed = rawZip([
  { name: 'manifest.json', content: `{"a":[${'[],'.repeat(350_000)}1]}`, deflate: true },
  { name: 'provenance/envelope.json', content: '{}' },
]);

/** How often the event loop went round while the work was done. */
async function turnsOf(work: Promise<unknown>): Promise<number> {
  let turns = 0;
  let turning = true;
  const turn = () => {
    turns += 1;
    if (turning) setImmediate(turn);
  };
  setImmediate(turn);
  await work.finally(() => {
    turning = false;
  });
  return turns;
}

describe('archives of anybody, verified by a host that has other work', () => {
  it.each([
    ['a small one', small],
    ['a large one', large],
    ['a large one that was tampered with', patched(large, 'large large', 'large_large')],
    ['one that unpacks to much more', packed],
    ['no archive', new Uint8Array(3)],
  ])('gives the report that is given anywhere: %s', async (_name, bytes) => {
    const options = { allowlist: [alice.identity], strict: true };
    const expected = verificationReport(await verifyArchive(components, bytes, options));
    expect(await verifyApart(bytes, options)).toEqual(expected);
  });

  it.each([
    ['large', large],
    ['much larger once it is unpacked', packed],
  ])('leaves the event loop alone where it is %s', async (_name, bytes) => {
    expect(await turnsOf(verifyApart(bytes))).toBeGreaterThan(0);
  });

  it('leaves the bytes to the caller', async () => {
    const copy = Uint8Array.from(large);
    await verifyApart(copy);
    expect(copy).toEqual(large);
  });

  it('keeps to the limits', async () => {
    expect(await verifyApart(large, { limits: { maxTotalBytes: 500_000 } })).toMatchObject({
      readable: false,
      layout: { errors: [{ reason: 'total_size_limit' }] },
    });
  });

  it('stops when nobody waits any more', async () => {
    await expect(verifyApart(large, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'cancelled',
    });
    const controller = new AbortController();
    const work = verifyApart(large, { signal: controller.signal });
    setImmediate(() => controller.abort());
    await expect(work).rejects.toMatchObject({ code: 'cancelled' });
  });
});
