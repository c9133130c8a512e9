import { isDeepStrictEqual } from 'node:util';
import { canonicalBytes } from '../../../src/archive/canonical.ts';
import { nodeArchiveCrypto as crypto } from '../../../src/archive/crypto/node-crypto.ts';
import { LayoutError } from '../../../src/archive/layout-error.ts';
import { PATHS } from '../../../src/archive/paths.ts';
import type { ByteSource, Verification } from '../../../src/archive/types.ts';
import { verifyArchive } from '../../../src/archive/verify.ts';
import { readEntry } from '../../../src/archive/zip/content.ts';
import { openContainer } from '../../../src/archive/zip/reader.ts';
import { MeshError } from '../../../src/lib/errors.ts';
import { mutated, type Random } from './mutations.ts';

/** Archives of a few KiB; what unpacks to more is refused. */
const LIMITS = { maxEntries: 100, maxTotalBytes: 1_048_576 };
/** Work is counted, not timed: bytes and reads that verifying one archive may take, by its size. */
const READS_PER_BYTE = 16;
const READ_ALLOWANCE_BYTES = 262_144;
const MAX_READS = 2_000;
/** Growth over a run, most of it garbage not yet collected: each case is a few KiB. */
export const MAX_FUZZ_GROWTH_BYTES = 536_870_912;

/** What went wrong with one mutated archive; its bytes, to be kept. */
export interface FuzzFailure {
  problem: string;
  bytes: Uint8Array;
}

export interface FuzzReport {
  cases: number;
  /** Cases that the container reader let through. */
  opened: number;
  /** Cases that verified, with the content that was sealed. */
  verified: number;
  failures: FuzzFailure[];
  /** Highest growth of the resident set over the run, bytes. */
  memoryGrowth: number;
}

export interface FuzzOptions {
  /** Archives that verify. */
  seeds: readonly Uint8Array[];
  recipientSecret: Uint8Array;
  random: Random;
  /** Asked before each case. */
  goOn: (cases: number) => boolean;
}

/** Damages archives and verifies what comes out: nothing may be thrown, and nothing verify but what was sealed. */
export async function fuzz({ seeds, recipientSecret, random, goOn }: FuzzOptions): Promise<FuzzReport> {
  const sealed = await Promise.all(seeds.map(contentOf));
  const start = process.memoryUsage.rss();
  const report: FuzzReport = { cases: 0, opened: 0, verified: 0, failures: [], memoryGrowth: 0 };
  while (goOn(report.cases)) {
    const seed = seeds[report.cases % seeds.length];
    if (seed === undefined) throw new RangeError('There is nothing to fuzz.');
    const bytes = mutated(seed, random, seeds);
    const secret = report.cases % 2 === 0 ? {} : { recipientSecret };
    const problem = await problemWith(bytes, { ...secret, strict: random() < 0.2 }, sealed, report);
    if (problem !== null) report.failures.push({ problem, bytes });
    report.cases += 1;
    report.memoryGrowth = Math.max(report.memoryGrowth, process.memoryUsage.rss() - start);
  }
  return report;
}

async function problemWith(
  bytes: Uint8Array,
  options: { recipientSecret?: Uint8Array; strict: boolean },
  sealed: readonly Content[],
  report: FuzzReport,
): Promise<string | null> {
  const source = new CountingSource(bytes);
  try {
    const found = await verifyArchive({ crypto }, source, { ...options, limits: LIMITS });
    if (found.manifest !== null) report.opened += 1;
    if (source.bytesRead > bytes.length * READS_PER_BYTE + READ_ALLOWANCE_BYTES || source.reads > MAX_READS)
      return `it took ${String(source.reads)} reads of ${String(source.bytesRead)} bytes`;
    if (!found.ok) return inconsistency(found);
    const content = await contentOf(bytes);
    if (!sealed.some((original) => isDeepStrictEqual(original, content)))
      return 'it verifies, and its content is not what was sealed';
    report.verified += 1;
    return inconsistency(found);
  } catch (error) {
    if (error instanceof MeshError && error.code === 'not_a_recipient') return null;
    return `it throws ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  }
}

/** A result that contradicts itself. */
function inconsistency({ ok, failing, findings }: Verification): string | null {
  const areas = new Set(findings.map(({ area }) => area));
  if (ok !== (findings.length === 0)) return 'ok is not that there are no findings';
  return areas.size === failing.length ? null : 'the failing areas are not those of the findings';
}

/** Everything that a seal commits to: each file, and of the two unindexed documents what they say. */
type Content = ReadonlyMap<string, string>;

async function contentOf(bytes: Uint8Array): Promise<Content> {
  const container = await openContainer({ crypto }, new CountingSource(bytes), LIMITS);
  const content = new Map<string, string>();
  for (const path of [...container.entries.keys()].sort()) {
    const entry = container.entries.get(path);
    if (entry === undefined) throw new LayoutError('missing_required_file', `${path} is gone.`, path);
    const file = await readEntry({ crypto }, container, entry);
    const document = path === PATHS.manifest || path === PATHS.envelope;
    const committed = document ? canonicalBytes(JSON.parse(Buffer.from(file).toString())) : file;
    content.set(path, crypto.sha256Hex(committed));
  }
  return content;
}

/** Memory that counts what is asked of it, and never gives more than there is. */
class CountingSource implements ByteSource {
  readonly size: number;
  reads = 0;
  bytesRead = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.size = bytes.length;
  }

  read(offset: number, length: number): Uint8Array {
    if (offset < 0 || length < 0 || offset + length > this.size)
      throw new RangeError(
        `${String(length)} bytes at ${String(offset)} are not in ${String(this.size)} bytes.`,
      );
    this.reads += 1;
    this.bytesRead += length;
    return this.#bytes.subarray(offset, offset + length);
  }
}
