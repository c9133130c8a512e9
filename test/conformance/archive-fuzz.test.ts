import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../support/random.ts';
import { MAX_FUZZ_GROWTH_BYTES } from '../vectors/conformance/fuzz.ts';
import { fuzzVectors } from '../vectors/conformance/fuzz-run.ts';

const vectors = fileURLToPath(new URL('../../protocols/archive/v1/vectors/', import.meta.url));
const CASES = 6_000;

describe('damaged archives', () => {
  it('throw nothing, cost no more than their size, and verify only where nothing sealed was touched', async () => {
    const report = await fuzzVectors(vectors, seededRandom(20260521), (cases) => cases < CASES);
    expect(report.failures.map(({ problem }) => problem)).toEqual([]);
    expect(report.cases).toBe(CASES);
    // The fuzzer is worth its time only where it gets past the container, and where some damage does no harm.
    expect(report.opened).toBeGreaterThan(CASES / 20);
    expect(report.verified).toBeGreaterThan(0);
    expect(report.memoryGrowth).toBeLessThan(MAX_FUZZ_GROWTH_BYTES);
  });
});
