import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeArchiveCrypto as crypto } from '../../src/archive/crypto/node-crypto.ts';
import { sealToBytes } from '../../src/archive/seal/seal.ts';
import type { ArchiveDraft } from '../../src/archive/types.ts';
import { verifyArchive } from '../../src/archive/verify.ts';
import { fromHex, toHex } from '../../src/lib/hex.ts';
import { archiveBundle, openArchivePage } from '../support/browser.ts';
import { whyNoChromium } from '../support/chromium.ts';
import { alice } from '../support/keys.ts';

/** What the bundle's script leaves behind in the page; only there. */
declare const capsule: typeof import('../../src/archive/index.ts');

const root = fileURLToPath(new URL('../../', import.meta.url));
const vectors = `${root}protocols/archive/v1/vectors/`;
const SEALED_AT = '2026-05-21T12:00:00Z';
const DRAFT: ArchiveDraft = {
  program: '# Offers\n\nWhich of two.\n',
  participants: [{ actor_id: 'human:alice', role: 'originator', label: 'Alice' }],
  events: [
    {
      actor: 'human:alice',
      kind: 'decision',
      action: 'asked',
      target: 'program.md',
      payload: { summary: 'Compare  both — briefly.', amount: 4.2e-7 },
    },
  ],
};
const recipientSecret = new Uint8Array(32).fill(0x11);

const missing = whyNoChromium();
if (missing !== null) process.stdout.write(`- the archive library in a browser: skipped, ${missing}\n`);

/** What a page tells of an archive; crosses from the browser as JSON. */
interface Told {
  ok: boolean;
  level: string;
  failing: string[];
  id: string | undefined;
  entryHash: string | undefined;
  events: string[];
  trusted: number;
}

describe('the bundle for browsers', () => {
  it('imports nothing of Node.js', async () => {
    expect((await archiveBundle()).foreign).toEqual([]);
  });
});

describe.skipIf(missing !== null)('the archive library in Chromium', () => {
  let browser: Browser;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    ({ browser, page, complaints } = await openArchivePage());
  });
  afterAll(() => browser?.close());

  /** Verifies in the page. */
  const inBrowser = (bytes: Uint8Array, secret?: Uint8Array): Promise<Told> =>
    page.evaluate(
      async ({ archive, key, trusted }) => {
        const decode = (base64: string) => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
        const found = await capsule.verifyArchive({ crypto: capsule.platformCrypto }, decode(archive), {
          allowlist: [trusted],
          ...(key !== null && { recipientSecret: decode(key) }),
        });
        return {
          ok: found.ok,
          level: found.level,
          failing: found.failing,
          id: found.manifest?.id,
          entryHash: found.envelope?.entry_hash,
          events: found.events.map(({ hash }) => hash),
          trusted: found.trustedSigners,
        };
      },
      {
        archive: Buffer.from(bytes).toString('base64'),
        key: secret === undefined ? null : Buffer.from(secret).toString('base64'),
        trusted: alice.identity,
      },
    );

  const inNode = async (bytes: Uint8Array, secret?: Uint8Array): Promise<Told> => {
    const options = { allowlist: [alice.identity], ...(secret !== undefined && { recipientSecret: secret }) };
    const found = await verifyArchive({ crypto }, bytes, options);
    return {
      ok: found.ok,
      level: found.level,
      failing: found.failing,
      id: found.manifest?.id,
      entryHash: found.envelope?.entry_hash,
      events: found.events.map(({ hash }) => hash),
      trusted: found.trustedSigners,
    };
  };

  const vector = (name: string) => new Uint8Array(readFileSync(`${vectors}${name}.capsule`));

  it.each([
    ['valid/output/full', undefined],
    ['valid/output/deflate-entry', undefined],
    ['valid/output/encrypted', undefined],
    ['valid/output/encrypted', recipientSecret],
    ['chain/output/broken-link', undefined],
    ['content-index/output/payload-changed', undefined],
    ['envelope/output/small-order-key', undefined],
    ['encrypted/output/blob-changed-and-resealed', recipientSecret],
    ['layout/output/traversal', undefined],
    ['layout/output/lying-bomb', undefined],
  ])('says of %s what Node.js says', async (name, secret) => {
    const told = await inBrowser(vector(name), secret);
    expect(told).toEqual(await inNode(vector(name), secret));
    expect(complaints).toEqual([]);
  });

  it('verifies a megabyte, and notices one bit of it', async () => {
    const content = new Uint8Array(1_048_576).map((_, place) => (place * 31) % 251);
    const draft = { ...DRAFT, payload: [{ path: 'large.bin', content }] };
    const { bytes } = await sealToBytes({ crypto }, draft, options());
    expect(await inBrowser(bytes)).toMatchObject({ ok: true, trusted: 1 });
    const place = bytes.length >> 1;
    bytes[place] = (bytes[place] ?? 0) ^ 1;
    expect(await inBrowser(bytes)).toMatchObject({ ok: false, failing: ['content_index'] });
  });

  it('seals the same bytes as Node.js', async () => {
    const sealed = await sealInBrowser(page, DRAFT, []);
    const { bytes } = await sealToBytes({ crypto }, DRAFT, options());
    expect(toHex(sealed)).toBe(toHex(bytes));
  });

  it('seals for a recipient who opens it in Node.js', async () => {
    const recipient = toHex(crypto.agreementPublicKey(recipientSecret));
    const sealed = await sealInBrowser(page, DRAFT, [recipient]);
    expect(await inNode(sealed, recipientSecret)).toMatchObject({ ok: true, level: 'L3', trusted: 1 });
    await expect(inNode(sealed, new Uint8Array(32).fill(0x33))).rejects.toMatchObject({
      code: 'not_a_recipient',
    });
  });
});

function options() {
  const { identity, signer } = alice;
  return { signers: [{ role: 'originator', publicKey: identity, sign: signer.sign }], sealedAt: SEALED_AT };
}

async function sealInBrowser(page: Page, draft: ArchiveDraft, recipients: string[]): Promise<Uint8Array> {
  const hex = await page.evaluate(
    async ({ json, to, key, sealedAt }) => {
      const toHex = (bytes: Uint8Array) =>
        [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
      const { platformCrypto: crypto } = capsule;
      const secret = Uint8Array.from(key);
      const signer = {
        role: 'originator',
        publicKey: toHex(crypto.publicKey(secret)),
        sign: (message: Uint8Array) => crypto.sign(message, secret),
      };
      const options = { signers: [signer], sealedAt, recipients: to };
      const { bytes } = await capsule.sealToBytes({ crypto }, JSON.parse(json), options);
      return toHex(bytes);
    },
    { json: JSON.stringify(draft), to: recipients, key: [...alice.seed], sealedAt: SEALED_AT },
  );
  return fromHex(hex);
}
