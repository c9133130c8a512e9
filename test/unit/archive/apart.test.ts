import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { verifyApart } from '../../../src/archive/apart/apart.ts';
import { nodeArchiveCrypto } from '../../../src/archive/crypto/node-crypto.ts';
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

/** How many threads were started meanwhile, and what this one did of the work: hashes, and the longest text that was parsed. */
function watched(): { threads: number; hashes: () => number; parsedChars: () => number } {
  const seen = { threads: 0 };
  const count = () => {
    seen.threads += 1;
  };
  process.on('worker', count);
  const hashing = [vi.spyOn(nodeArchiveCrypto, 'sha256Hex'), vi.spyOn(nodeArchiveCrypto, 'hasher')];
  const parsing = vi.spyOn(JSON, 'parse');
  onTestFinished(() => {
    process.off('worker', count);
    for (const spy of [...hashing, parsing]) spy.mockRestore();
  });
  return Object.assign(seen, {
    hashes: () => hashing.reduce((sum, { mock }) => sum + mock.calls.length, 0),
    parsedChars: () => Math.max(0, ...parsing.mock.calls.map(([text]) => text.length)),
  });
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
  ])('leaves the event loop alone where it is %s: all is done by one other thread', async (_name, bytes) => {
    const seen = watched();
    await verifyApart(bytes);
    expect(seen.threads).toBe(1);
    expect(seen.hashes()).toBe(0);
    expect(seen.parsedChars()).toBe(0);
  });

  it('starts no thread for a small one', async () => {
    const seen = watched();
    await verifyApart(small);
    expect(seen.threads).toBe(0);
    expect(seen.hashes()).toBeGreaterThan(0);
    expect(seen.parsedChars()).toBeGreaterThan(0);
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
