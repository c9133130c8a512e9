import { describe, expect, it } from 'vitest';
import { nodeArchiveCrypto as crypto } from '../../../src/archive/crypto/node-crypto.ts';
import { openArchive, VerifiedFiles } from '../../../src/archive/open-verified.ts';
import { projectArchive } from '../../../src/archive/projection/hydrate.ts';
import { continueArchive } from '../../../src/archive/seal/continue.ts';
import { bytesSource } from '../../../src/archive/source.ts';
import type { ByteSource } from '../../../src/archive/types.ts';
import { verifyArchive } from '../../../src/archive/verify.ts';
import { openContainer } from '../../../src/archive/zip/reader.ts';
import { archiveBytes, components } from '../../support/archives.ts';
import { bob } from '../../support/keys.ts';
import { recipientKeyOf, sealing } from '../../support/sealing.ts';

/** The generator polynomial of CRC-32 as bits of a file: whatever it is added to has the same checksum as before. */
const SAME_CHECKSUM = [0x41, 0x06, 0x71, 0xdb, 0x01];

/** A file on disk that somebody writes to between two readings: `from` on, at the first place of `text`. */
function changing(bytes: Uint8Array, text: string): ByteSource & { change(): void } {
  const copy = Buffer.from(bytes);
  const at = copy.indexOf(text);
  if (at < 0) throw new RangeError(`${text} is not there.`);
  return {
    size: copy.length,
    read: async (offset, length) => Uint8Array.from(copy.subarray(offset, offset + length)),
    change: () => {
      for (const [place, mask] of SAME_CHECKSUM.entries())
        copy.writeUInt8(copy.readUInt8(at + place) ^ mask, at + place);
    },
  };
}

const unverified = { code: 'unverified_archive' };

describe('a file that changes after it was verified, and keeps its checksum', () => {
  it('has indeed the same checksum', () => {
    const text = Buffer.from('any text of some length');
    const changed = Buffer.from(text);
    for (const [place, mask] of SAME_CHECKSUM.entries())
      changed.writeUInt8(changed.readUInt8(place + 4) ^ mask, place + 4);
    expect(changed.equals(text)).toBe(false);
    expect(crypto.crc32(changed)).toBe(crypto.crc32(text));
  });

  it('is not the history of the next sealing', async () => {
    const source = changing(await archiveBytes(), '"summary":"Began."');
    const opened = await openArchive(components, source);
    source.change();
    const continued = continueArchive(components, opened, { events: [] }, sealing(), () => undefined);
    await expect(continued).rejects.toMatchObject(unverified);
  });

  it('is not shown to a model', async () => {
    const source = changing(await archiveBytes(), '# Program');
    const opened = await openArchive(components, source);
    source.change();
    await expect(projectArchive(components, opened)).rejects.toMatchObject(unverified);
  });

  it('is not read, whole or in pieces', async () => {
    const source = changing(await archiveBytes(), 'a report');
    const files = new VerifiedFiles(components, await openArchive(components, source));
    const path = 'payload/report.txt';
    expect(new TextDecoder().decode(await files.read(path))).toBe('a report');
    source.change();
    await expect(files.read(path)).rejects.toMatchObject(unverified);
    await expect(files.stream(path, () => undefined)).rejects.toMatchObject(unverified);
    await expect(files.read('payload/none.txt')).rejects.toMatchObject({ reason: 'missing_required_file' });
    expect(files.has('manifest.json')).toBe(false);
  });

  it('is not decrypted: what was hashed is what is opened', async () => {
    const bytes = await archiveBytes({}, { recipients: [recipientKeyOf(bob)] });
    let readings = 0;
    const source: ByteSource = {
      size: bytes.length,
      read: async (offset, length) => {
        const copy = bytes.slice(offset, offset + length);
        if (length === blob.size) readings += 1;
        if (length !== blob.size || readings === 1) return copy;
        for (const [place, mask] of SAME_CHECKSUM.entries()) copy[place] = (copy[place] ?? 0) ^ mask;
        return copy;
      },
    };
    const { entries } = await openContainer(components, bytesSource(bytes));
    const blob = entries.get('content.enc') ?? { size: 0 };
    const found = await verifyArchive(components, source, { recipientSecret: bob.seed });
    expect(readings).toBe(2);
    expect(found).toMatchObject({ ok: false, failing: ['encrypted_blob'] });
    expect(found.findings[0]?.message).toContain('changed after it was verified');
  });
});
