import { expect } from 'vitest';
import { nodeArchiveCrypto } from '../../../../src/archive/crypto/node-crypto.ts';
import { LayoutError } from '../../../../src/archive/layout-error.ts';
import { bytesSource } from '../../../../src/archive/source.ts';
import type { ArchiveEntry, ArchiveLimits, Container, LayoutReason } from '../../../../src/archive/types.ts';
import { openContainer } from '../../../../src/archive/zip/reader.ts';

export const components = { crypto: nodeArchiveCrypto };

export const open = (bytes: Uint8Array, limits?: Partial<ArchiveLimits>): Promise<Container> =>
  openContainer(components, bytesSource(bytes), limits);

export function entryOf(container: Container, path: string): ArchiveEntry {
  const entry = container.entries.get(path);
  if (entry === undefined) throw new Error(`${path} is not in the container`);
  return entry;
}

/** That reading stops with this reason, and says so in one sentence that a terminal can show. */
export async function expectRefusal(reading: Promise<unknown>, reason: LayoutReason): Promise<LayoutError> {
  const refusal: unknown = await reading.then(
    () => 'not refused',
    (error: unknown) => error,
  );
  if (!(refusal instanceof LayoutError)) throw new Error(`expected ${reason}: ${String(refusal)}`);
  expect(refusal.reason).toBe(reason);
  expect(refusal.message).toMatch(/^\P{Cc}+\.$/u);
  return refusal;
}
