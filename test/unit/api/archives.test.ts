import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Access } from '../../../src/api/access.ts';
import type { Server } from '../../../src/api/route-context.ts';
import { buildServer } from '../../../src/api/server.ts';
import { nodeArchiveCrypto } from '../../../src/archive/crypto/node-crypto.ts';
import { toHex } from '../../../src/lib/hex.ts';
import { IDENTITY, memoryNode, TOKEN } from '../../support/api-components.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const TYPE = 'application/vnd.capsule+zip';
let node: ReturnType<typeof memoryNode>;
let app: Server;
beforeEach(async () => {
  node = memoryNode(new VirtualClock());
  const init = { ...node.init, hosts: ['localhost'] };
  app = await buildServer(node.components, init, new Access(node.components, init));
  await app.ready();
});
afterEach(() => app.close());

const authorization = `Bearer ${TOKEN}`;
const get = (url: string) => app.inject({ method: 'GET', url, headers: { authorization } });
/** Sent at once, as `inject` alone is not. */
const verify = async (payload: Buffer, query = '', type = TYPE) =>
  app.inject({
    method: 'POST',
    url: `/api/archives/verify${query}`,
    headers: { authorization, 'content-type': type },
    payload,
  });

async function finished(): Promise<string> {
  const id = await submitted();
  node.end(id, { text: 'the result' });
  return id;
}

async function submitted(): Promise<string> {
  const response = await app.inject({
    method: 'POST',
    url: '/api/capsules',
    headers: { authorization },
    payload: node.draft(),
  });
  return response.json().id;
}

async function archive(query = ''): Promise<Buffer> {
  const response = await get(`/api/workflows/${await finished()}/archive${query}`);
  expect(response.statusCode).toBe(200);
  return response.rawPayload;
}

/** In the text of the result, which is stored as it is. */
function tampered(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy[copy.indexOf('the result')] = 'T'.charCodeAt(0);
  return copy;
}

describe('GET /api/workflows/:id/archive', () => {
  it('gives the sealed archive as a file, and its id', async () => {
    const id = await finished();
    const { headers, rawPayload } = await get(`/api/workflows/${id}/archive`);
    expect(headers).toMatchObject({
      'content-type': TYPE,
      'content-disposition': `attachment; filename="${id}.capsule"`,
      'content-length': String(rawPayload.length),
    });
    expect((await verify(rawPayload)).json()).toMatchObject({
      ok: true,
      capsule_id: headers['x-archive-id'],
    });
  });

  it('encrypts to one recipient, or to several', async () => {
    const keys = [1, 2].map((byte) =>
      toHex(nodeArchiveCrypto.agreementPublicKey(new Uint8Array(32).fill(byte))),
    );
    for (const query of [`?recipient=${keys[0]}`, `?recipient=${keys[0]}&recipient=${keys[1]}`]) {
      const bytes = await archive(query);
      expect(bytes.includes('the result')).toBe(false);
      expect((await verify(bytes)).json()).toMatchObject({
        ok: true,
        level: 'L2',
        encrypted_blob: { ok: true },
      });
    }
  });

  it.each([
    ['under way', async () => submitted(), '', 409, 'conflict'],
    ['unknown', async () => 'ab'.repeat(32), '', 404, 'not_found'],
    ['no id', async () => 'x', '', 400, 'invalid_request'],
    ['for no key', finished, '?recipient=abc', 400, 'invalid_request'],
    ['with a misspelt option', finished, '?recipients=abc', 400, 'invalid_request'],
  ])('refuses a workflow that is %s', async (_name, make, query, status, code) => {
    const response = await get(`/api/workflows/${await make()}/archive${query}`);
    expect([response.statusCode, response.json().code]).toEqual([status, code]);
  });

  it('wants the token', async () => {
    expect((await app.inject(`/api/workflows/${await finished()}/archive`)).statusCode).toBe(401);
  });
});

describe('POST /api/archives/verify', () => {
  it.each([TYPE, 'application/zip', 'application/octet-stream'])('takes %s', async (type) => {
    const response = await verify(await archive(), '', type);
    expect(response.statusCode).toBe(200);
    expect(response.json()).toMatchObject({ ok: true, level: 'L2', readable: true, failing: [] });
  });

  it('tells a valid signature from a trusted one', async () => {
    const bytes = await archive();
    const signers = async (query: string) => (await verify(bytes, query)).json().envelope.signers;
    const signer = { role: 'originator', public_key: IDENTITY, valid: true };
    expect(await signers('')).toEqual([{ ...signer, trusted: false }]);
    expect(await signers(`?allowlist=${'cd'.repeat(32)}`)).toEqual([{ ...signer, trusted: false }]);
    expect(await signers(`?allowlist=${'cd'.repeat(32)}&allowlist=${IDENTITY}`)).toEqual([
      { ...signer, trusted: true },
    ]);
  });

  it('says what fails, with 200: the verdict is the answer', async () => {
    const response = await verify(tampered(await archive()));
    expect(response.statusCode).toBe(200);
    const report = response.json();
    expect(report).toMatchObject({ ok: false, readable: true, content_index: { ok: false } });
    expect(report.failing).toContain('content_index');
  });

  it('says of what is no archive that it cannot be read', async () => {
    const response = await verify(Buffer.from('no archive'));
    expect(response.statusCode).toBe(200);
    expect(response.json()).toMatchObject({
      ok: false,
      readable: false,
      layout: { errors: [{ reason: 'not_a_zip' }] },
    });
  });

  it.each([
    ['JSON', () => verify(Buffer.from('{}'), '', 'application/json'), 400, 'invalid_request'],
    ['nothing', () => verify(Buffer.alloc(0)), 200, undefined],
    ['no type', () => verify(Buffer.from('x'), '', ''), 400, 'invalid_request'],
    ['a key that is none', () => verify(Buffer.from('x'), '?allowlist=AB'), 400, 'invalid_request'],
    ['a misspelt option', () => verify(Buffer.from('x'), '?strikt=true'), 400, 'invalid_request'],
    ['more than 64 MiB', () => verify(Buffer.alloc(64 * 1024 * 1024 + 1)), 413, 'too_large'],
  ])('given %s', async (_name, send, status, code) => {
    const response = await send();
    expect([response.statusCode, response.json().code]).toEqual([status, code]);
  });

  it('leaves other routes to JSON', async () => {
    const response = await app.inject({
      method: 'POST',
      url: '/api/capsules',
      headers: { authorization, 'content-type': TYPE },
      payload: Buffer.from('x'),
    });
    expect(response.statusCode).toBe(400);
  });

  it('works on four archives at a time, and on the next when one is done', async () => {
    const bytes = await archive();
    const gate = Promise.withResolvers<void>();
    const { archives } = node.components;
    const real = archives.verify;
    archives.verify = async (...given) => {
      await gate.promise;
      return real(...given);
    };
    const four = [1, 2, 3, 4].map(() => verify(bytes));
    // Each has passed the gate's door before the fifth is sent: requests enter in their order.
    const fifth = await verify(bytes);
    expect([fifth.statusCode, fifth.json().code, fifth.headers['retry-after']]).toEqual([503, 'busy', '1']);
    gate.resolve();
    expect((await Promise.all(four)).map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 200]);
    expect((await verify(bytes)).statusCode).toBe(200);
  });
});
