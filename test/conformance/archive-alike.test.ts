import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { nodeArchiveCrypto } from '../../src/archive/crypto/node-crypto.ts';
import { createWebArchiveCrypto } from '../../src/archive/crypto/web-crypto.ts';
import { verifyArchive } from '../../src/archive/verify.ts';
import { fromHex } from '../../src/lib/hex.ts';

const folder = fileURLToPath(new URL('../../protocols/archive/v1/vectors/', import.meta.url));
const keys = JSON.parse(readFileSync(join(folder, 'keys.json'), 'utf8'));
const recipientSecret = fromHex(keys.recipient.privateKey);
const archives = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
  path.endsWith('.capsule'),
);

/** The whole verdict, or the code of the refusal. */
async function verdict(crypto: typeof nodeArchiveCrypto, bytes: Uint8Array): Promise<unknown> {
  const allowlist = [keys.originator.publicKey];
  return verifyArchive({ crypto }, bytes, { recipientSecret, allowlist, strict: true }).catch(
    ({ code }: { code: string }) => code,
  );
}

describe('the implementations of the primitives', () => {
  it('come to the same verdict, word for word, on every vector', async () => {
    expect(archives.length).toBeGreaterThan(100);
    for (const path of archives) {
      const bytes = new Uint8Array(readFileSync(join(folder, path)));
      const native = await verdict(nodeArchiveCrypto, bytes);
      for (const subtle of [globalThis.crypto.subtle, null])
        expect(await verdict(createWebArchiveCrypto({ subtle }), bytes), path).toEqual(native);
    }
  });
});
