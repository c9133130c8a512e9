import { createHash, hash } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Uint8ArrayReader, Uint8ArrayWriter, ZipReader, ZipWriter } from '@zip.js/zip.js';
import canonicalize from 'canonicalize';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { nodeArchiveCrypto as crypto } from '../../src/archive/crypto/node-crypto.ts';
import { openFileSource } from '../../src/archive/file-source.ts';
import { openArchive } from '../../src/archive/open-verified.ts';
import { sealArchive, sealToBytes } from '../../src/archive/seal/seal.ts';
import type { ArchiveDraft, ByteSource, FileInput, SealOptions } from '../../src/archive/types.ts';
import { verifyArchive } from '../../src/archive/verify.ts';
import { canonicalText } from '../../src/lib/canonical.ts';
import { fromHex } from '../../src/lib/hex.ts';
import { whyNoChromium } from '../support/chromium.ts';
import { alice } from '../support/keys.ts';
import { withArchiveInBrowser } from './archive-browser.ts';
import { peakOfVerifying } from './archive-memory.ts';
import { median } from './measure.ts';

/** Milliseconds, medians over the rounds, and what is compared of them. */
export interface ArchiveFigures {
  /** `bareMs` is the floor of verifying without any ZIP, and with this library's own canonical form. */
  shapes: { name: string; verify: Ratio; seal: Ratio; bareMs: number }[];
  /** 100 MiB in a file over SHA-256 of the same bytes in memory chunks. */
  large: Ratio;
  /** Peak resident memory of a process that verifies 1 GiB from a file. */
  peakMegabytes: number;
  /** 1 MiB in Chromium over Node.js; null where there is no Chromium to test with. */
  browser: Ratio | null;
}
export interface Ratio {
  ratio: number;
  oursMs: number;
  floorMs: number;
}

const components = { crypto };
const MEBIBYTE = 1_048_576;
const AT = '2026-05-07T12:00:00Z';
const ROUNDS = 15;
const SHAPES = [
  { name: '5 events', events: 5, payloadBytes: 1_024, repeat: 40 },
  { name: '1,000 events', events: 1_000, payloadBytes: 1_024, repeat: 3 },
  { name: '1 MiB', events: 5, payloadBytes: MEBIBYTE, repeat: 10 },
] as const;
const LARGE_BYTES = 100 * MEBIBYTE;
const HUGE_BYTES = 1_073_741_824 - MEBIBYTE;
const READ_BYTES = MEBIBYTE;
const BROWSER_REPEAT = 10;

export async function benchArchive(): Promise<ArchiveFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'capsule-bench-'));
  try {
    const shapes = [];
    for (const shape of SHAPES) shapes.push(await benchShape(shape));
    const large = await benchLarge(join(folder, 'large.capsule'));
    const peakMegabytes = await benchHuge(join(folder, 'huge.capsule'));
    return { shapes, large, peakMegabytes, browser: await benchBrowser() };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function benchShape({ name, events, payloadBytes, repeat }: (typeof SHAPES)[number]) {
  const draft = draftOf(events, payloadOf(payloadBytes));
  const { bytes } = await sealToBytes(components, draft, sealing());
  const floor = await floorOf(bytes);
  const ours = {
    verify: async () => {
      if (!(await verifyArchive(components, bytes)).ok) throw new Error('It does not verify.');
    },
    seal: async () => void (await sealToBytes(components, draft, sealing())),
  };
  const timed = (work: () => Promise<void>) => () => average(repeat, work);
  const verify = await compare(timed(ours.verify), timed(floor.verify));
  const seal = await compare(timed(ours.seal), timed(floor.seal));
  const bare = await compare(timed(ours.verify), timed(floor.bare));
  return { name, verify, seal, bareMs: bare.floorMs };
}

/** Milliseconds of both, taken in turns, so that the machine's drift hits both alike. */
async function compare(ours: () => Promise<number>, floor: () => Promise<number>): Promise<Ratio> {
  const times: { ours: number; floor: number }[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const measured = { floor: await floor(), ours: await ours() };
    // The first round warms up.
    if (round > 0) times.push(measured);
  }
  return {
    ratio: median(times.map((each) => each.ours / each.floor)),
    oursMs: median(times.map((each) => each.ours)),
    floorMs: median(times.map((each) => each.floor)),
  };
}

async function average(repeat: number, work: () => Promise<void>): Promise<number> {
  const begun = performance.now();
  for (let count = 0; count < repeat; count++) await work();
  return (performance.now() - begun) / repeat;
}

/**
 * What any implementation has to do: (un)packing by the library, SHA-256 of every file and event, the canonical form
 * of manifest, envelope and events by the library, and one native Ed25519 operation for the signer. Reading JSON,
 * which any implementation has to do as well, is not in it.
 */
async function floorOf(bytes: Uint8Array) {
  const { container, manifest, envelope, events } = await openArchive(components, bytes);
  const files = await unpack(bytes);
  const { signers, ...unsigned } = envelope;
  const message = new TextEncoder().encode(canonical(unsigned));
  const [signer] = signers;
  if (signer === undefined || files.size !== container.entries.size)
    throw new Error('It is not what was sealed.');
  const [signature, key] = [fromHex(signer.signature), fromHex(signer.public_key)];
  const hashing = (canonicalOf: (value: JsonObject) => string) => {
    for (const content of files.values()) hash('sha256', content, 'hex');
    for (const document of [...events, manifest, unsigned]) hash('sha256', canonicalOf(document), 'hex');
  };
  return {
    verify: async () => {
      await unpack(bytes);
      hashing(canonical);
      crypto.verify(message, signature, key);
    },
    seal: async () => {
      await pack(files);
      hashing(canonical);
      crypto.sign(message, alice.seed);
    },
    bare: async () => {
      hashing(canonicalText);
      crypto.verify(message, signature, key);
    },
  };
}

/** By the RFC 8785 library; the archive library's own way is faster (`src/lib/canonical.ts`). */
function canonical(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError('It is not JSON.');
  return text;
}

async function unpack(bytes: Uint8Array): Promise<Map<string, Uint8Array>> {
  const reader = new ZipReader(new Uint8ArrayReader(bytes), { useWebWorkers: false, checkSignature: true });
  const files = new Map<string, Uint8Array>();
  for (const entry of await reader.getEntries()) {
    if (!entry.directory) files.set(entry.filename, await entry.getData(new Uint8ArrayWriter()));
  }
  return files;
}

async function pack(files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const writer = new ZipWriter(new Uint8ArrayWriter(), {
    level: 0,
    useWebWorkers: false,
    extendedTimestamp: false,
  });
  for (const [path, content] of files) await writer.add(path, new Uint8ArrayReader(content));
  await writer.close();
}

/** Against hashing the same bytes, read from the same file, with nothing else done to them. */
async function benchLarge(file: string): Promise<Ratio> {
  await sealFile(file, LARGE_BYTES);
  const verify = async () => {
    await using source = await openFileSource(file);
    if (!(await verifyArchive(components, source)).ok) throw new Error('It does not verify.');
  };
  return compare(
    () => average(1, verify),
    () => average(1, () => hashFile(file)),
  );
}

async function hashFile(file: string): Promise<void> {
  await using handle = await open(file);
  const hasher = createHash('sha256');
  const buffer = Buffer.alloc(READ_BYTES);
  for (;;) {
    const { bytesRead } = await handle.read(buffer);
    if (bytesRead === 0) break;
    hasher.update(buffer.subarray(0, bytesRead));
  }
  hasher.digest();
}

async function benchHuge(file: string): Promise<number> {
  await sealFile(file, HUGE_BYTES);
  return peakOfVerifying(file);
}

async function benchBrowser(): Promise<Ratio | null> {
  if (whyNoChromium() !== null) return null;
  const { bytes } = await sealToBytes(components, draftOf(5, payloadOf(MEBIBYTE)), sealing());
  return withArchiveInBrowser(bytes, (inBrowser) =>
    compare(
      () => inBrowser(BROWSER_REPEAT),
      () => average(BROWSER_REPEAT, async () => void (await verifyArchive(components, bytes))),
    ),
  );
}

/** Writes an archive with one file of `size` bytes that exist nowhere before. */
async function sealFile(file: string, size: number): Promise<void> {
  await using handle = await open(file, 'wx');
  const draft = draftOf(5, [{ path: 'payload/data.bin', content: repeating(size) }]);
  await sealArchive(components, draft, sealing(), async (chunk) => void (await handle.writeFile(chunk)));
}

function repeating(size: number): ByteSource {
  const block = noise(READ_BYTES);
  return {
    size,
    read: (offset, length) => {
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length; ) {
        const start = (offset + at) % block.length;
        const piece = block.subarray(start, Math.min(block.length, start + length - at));
        bytes.set(piece, at);
        at += piece.length;
      }
      return bytes;
    },
  };
}

const payloadOf = (size: number): FileInput[] => [{ path: 'payload/data.bin', content: noise(size) }];

/** Bytes without a pattern that anything could profit from, the same every time. */
function noise(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = 0x2545f491;
  for (let index = 0; index < size; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[index] = state & 0xff;
  }
  return bytes;
}

function draftOf(events: number, payload: FileInput[]): ArchiveDraft {
  return {
    program: '# Bench\n\nAn archive to measure with.\n',
    agents: '# Agents\n\n- human:alice\n',
    participants: [{ actor_id: 'human:alice', role: 'originator', label: 'Alice' }],
    payload,
    events: Array.from({ length: events }, (_, index) => ({
      actor: 'human:alice',
      kind: 'observation' as const,
      action: 'measured',
      target: 'payload/data.bin',
      timestamp: AT,
      payload: {
        index,
        summary: `Measured for the ${String(index)}th time, with nothing out of the ordinary.`,
      },
    })),
  };
}

function sealing(): SealOptions {
  const sign = (message: Uint8Array) => crypto.sign(message, alice.seed);
  return { signers: [{ role: 'originator', publicKey: alice.identity, sign }], sealedAt: AT };
}
