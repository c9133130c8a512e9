import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Access } from '../../../src/api/access.ts';
import type { Server } from '../../../src/api/route-context.ts';
import { buildServer } from '../../../src/api/server.ts';
import { IDENTITY, memoryNode, NODE_ID, TOKEN } from '../../support/api-components.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

const clock = new VirtualClock();
let node: ReturnType<typeof memoryNode>;
let app: Server;
beforeEach(async () => {
  node = memoryNode(clock);
  const init = { ...node.init, hosts: ['localhost'] };
  app = await buildServer(node.components, init, new Access(node.components, init));
  await app.ready();
});
afterEach(() => app.close());

const authorization = `Bearer ${TOKEN}`;
async function call(method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, payload?: object | string) {
  const json = { 'content-type': 'application/json' };
  const response = await app.inject({
    method,
    url,
    headers: { authorization, ...(payload !== undefined && json) },
    ...(payload !== undefined && { payload }),
  });
  return { status: response.statusCode, headers: response.headers, body: response.json() };
}
async function submit(text?: string): Promise<string> {
  return (await call('POST', '/api/capsules', node.draft(text))).body.id;
}

describe('submitting', () => {
  it('signs a draft as the node and answers 202 with the id', async () => {
    const { status, headers, body } = await call('POST', '/api/capsules', node.draft());
    expect(status).toBe(202);
    expect(body).toEqual({ id: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(headers.location).toBe(`/api/capsules/${body.id}`);
    const view = (await call('GET', `/api/capsules/${body.id}`)).body;
    expect(view.capsule).toMatchObject({
      originIdentity: IDENTITY,
      payload: { text: 'hello' },
      privacyRule: 'public',
    });
  });

  it('takes a signed capsule, twice with the same id', async () => {
    const signed = node.components.signDraft(node.draft());
    expect((await call('POST', '/api/capsules', signed)).body).toEqual({ id: signed.id });
    expect((await call('POST', '/api/capsules', signed)).body).toEqual({ id: signed.id });
    expect((await call('GET', '/api/capsules')).body.items).toHaveLength(1);
  });

  it('is shown and listed without the state of the exchange', async () => {
    const id = await submit();
    const { record } = (await call('GET', `/api/capsules/${id}`)).body;
    expect((await call('GET', '/api/capsules')).body.items).toEqual([record]);
    expect(record).not.toHaveProperty('life');
  });

  it('hands on which node may execute it', async () => {
    await call('POST', `/api/capsules?executor=${NODE_ID}`, node.draft());
    expect(node.submitted).toEqual([{ executor: NODE_ID, signedHere: true }]);
  });

  it('keeps what a draft says beside the least', async () => {
    const draft = {
      ...node.draft(),
      timestamp: clock.now() - 5,
      paymentRule: { type: 'credit', amount: 2 },
      next: [{ requestedCapability: 'report.create', payloadTemplate: { a: '$result' } }],
      executionPolicy: { timeout: 9 },
    };
    const { body } = await call('POST', '/api/capsules', draft);
    expect((await call('GET', `/api/capsules/${body.id}`)).body.capsule).toMatchObject(draft);
  });

  it.each([
    [
      'a tampered capsule',
      (signed: object) => ({ ...signed, payload: { text: 'other' } }),
      400,
      'invalid_signature',
    ],
    ['an unknown field', (signed: object) => ({ ...signed, extra: 1 }), 400, 'invalid_capsule'],
    ['another version', (signed: object) => ({ ...signed, version: 2 }), 400, 'unsupported_version'],
    ['a draft without payload', () => ({ requestedCapability: 'a.b' }), 400, 'invalid_capsule'],
    ['a draft with an unknown field', () => ({ ...node.draft(), retries: 1 }), 400, 'invalid_capsule'],
    [
      'a draft of another origin',
      () => ({ ...node.draft(), originIdentity: 'cd'.repeat(32) }),
      400,
      'invalid_request',
    ],
    ['a list', () => [], 400, 'invalid_capsule'],
  ])('refuses %s', async (_name, change, status, code) => {
    const response = await call('POST', '/api/capsules', change(node.components.signDraft(node.draft())));
    expect(response).toMatchObject({ status, body: { code, message: expect.stringMatching(/\.$/) } });
    expect((await call('GET', '/api/capsules')).body.items).toEqual([]);
  });

  it('names the field that is wrong', async () => {
    const { body } = await call('POST', '/api/capsules', {
      ...node.draft(),
      executionPolicy: { timeout: -1 },
    });
    expect(body.message).toContain('executionPolicy.timeout');
  });

  it('waits for the outcome where asked, and answers 200 with all of it', async () => {
    const waiting = call('POST', '/api/capsules?wait=1000', node.draft('wait'));
    const signed = node.components.signDraft(node.draft('wait'));
    while (node.followers.size === 0) await settle();
    node.end(signed.id, { words: 1 });
    expect(await waiting).toMatchObject({
      status: 200,
      body: { id: signed.id, status: 'completed', result: { words: 1 } },
    });
    expect(node.followers.size).toBe(0);
    expect(await call('POST', '/api/capsules?wait=1000', signed)).toMatchObject({ status: 200 });
  });

  it('answers 202 when the wait is over first', async () => {
    const waiting = call('POST', '/api/capsules?wait=1000', node.draft('slow'));
    while (node.followers.size === 0) await settle();
    await clock.advance(1000);
    expect(await waiting).toMatchObject({ status: 202, body: { id: expect.any(String) } });
    expect(node.followers.size).toBe(0);
  });
});

describe('bodies', () => {
  it.each([
    ['malformed JSON', '{"a":', 'invalid_json', 400],
    ['a name twice', '{"payload":{},"payload":{}}', 'invalid_json', 400],
    ['a number that would be another', '{"payload":{"card":4111111111111111111}}', 'invalid_json', 400],
    ['__proto__', '{"__proto__":{}}', 'invalid_json', 400],
    ['a lone surrogate', '{"a":"\\ud800"}', 'invalid_json', 400],
    ['nothing', '', 'invalid_capsule', 400],
    ['more than two mebibytes', `{"a":"${'x'.repeat(2 * 1024 * 1024)}"}`, 'too_large', 413],
  ])('%s', async (_name, payload, code, status) => {
    expect(await call('POST', '/api/capsules', payload)).toMatchObject({ status, body: { code } });
  });

  it('are JSON and say so', async () => {
    const response = await app.inject({
      method: 'POST',
      url: '/api/capsules',
      headers: { authorization, 'content-type': 'text/plain' },
      payload: '{}',
    });
    expect(response.statusCode).toBe(400);
    expect(response.json()).toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('application/json'),
    });
  });
});

describe('reading', () => {
  it('lists with filters, page by page', async () => {
    const ids = [await submit('a'), await submit('b'), await submit('c')];
    node.end(ids[1] ?? '', null);
    const first = (await call('GET', '/api/capsules?limit=2')).body;
    expect(first.items.map(({ id }: { id: string }) => id)).toEqual(ids.slice(0, 2));
    const second = (await call('GET', `/api/capsules?limit=2&cursor=${first.cursor}`)).body;
    expect(second).toMatchObject({ items: [{ id: ids[2] }], cursor: null });
    expect((await call('GET', '/api/capsules?status=completed')).body.items).toMatchObject([{ id: ids[1] }]);
    expect((await call('GET', '/api/capsules?capability=text.other')).body.items).toEqual([]);
  });

  it('gives every list page by page', async () => {
    for (const text of ['a', 'b', 'c']) await submit(text);
    await call('POST', '/api/credits/grants', { account: IDENTITY, amount: 1 });
    await call('POST', '/api/credits/grants', { account: 'cd'.repeat(32), amount: 1 });
    node.components.network.peers = () => [];
    node.components.engine.permissions.list = () =>
      ['a', 'b', 'c'].map((module) => ({ module, permission: 'storage', declared: true, granted: true }));
    for (const [path, key] of [
      ['/api/capsules', 'items'],
      ['/api/market', 'items'],
      ['/api/permissions', 'items'],
      ['/api/credits', 'accounts'],
    ] as const) {
      const whole: unknown[] = (await call('GET', path)).body[key];
      expect(whole.length, path).toBeGreaterThan(1);
      const read: unknown[] = [];
      let cursor: string | null = null;
      do {
        const { status, body } = await call(
          'GET',
          `${path}?limit=1${cursor === null ? '' : `&cursor=${cursor}`}`,
        );
        expect(status, path).toBe(200);
        expect(body[key], path).toHaveLength(1);
        read.push(...body[key]);
        cursor = body.cursor;
      } while (cursor !== null);
      expect(read, path).toEqual(whole);
    }
  });

  it.each([
    ['/api/market?cursor=x', 'cursor'],
    ['/api/peers?limit=501', 'limit'],
    ['/api/capsules?limit=0', 'limit'],
    ['/api/capsules?limit=501', 'limit'],
    ['/api/capsules?limit=many', 'limit'],
    ['/api/capsules?status=gone', 'status'],
    ['/api/capsules?statsu=failed', 'statsu'],
    ['/api/capsules/nonsense', 'id'],
    ['/api/receipts/ABC', 'hash'],
    ['/api/credits/reconcile/nobody', 'node'],
  ])('%s is refused and the message names the field', async (url, field) => {
    const { status, body } = await call('GET', url);
    expect(status).toBe(400);
    expect(body).toMatchObject({ code: 'invalid_request', message: expect.stringContaining(field) });
  });

  it.each([
    '/api/capsules/ID',
    '/api/capsules/ID/decisions',
    '/api/capsules/ID/events',
    '/api/workflows/ID',
    '/api/receipts/ID',
  ])('%s is not_found for an unknown id', async (url) => {
    expect(await call('GET', url.replace('ID', 'ef'.repeat(32)))).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    });
  });

  it('explains, shows workflows, and cancels', async () => {
    const id = await submit();
    expect((await call('GET', `/api/capsules/${id}/decisions`)).body.items[0].capsuleId).toBe(id);
    expect((await call('GET', '/api/workflows')).body.items[0].root).toBe(id);
    expect((await call('GET', `/api/workflows/${id}`)).body.tree.id).toBe(id);
    expect(await call('POST', `/api/capsules/${id}/cancel`)).toMatchObject({ status: 202, body: { id } });
    node.end(id, null);
    expect(await call('POST', `/api/capsules/${id}/cancel`)).toMatchObject({
      status: 409,
      body: { code: 'conflict' },
    });
  });

  it('shows node, peers, market, capabilities, receipts', async () => {
    expect((await call('GET', '/api/node')).body).toMatchObject({ nodeId: NODE_ID });
    expect((await call('GET', '/api/peers')).body).toEqual({ items: [], cursor: null });
    expect((await call('GET', '/api/market')).body.items.map(({ ring }: { ring: string }) => ring)).toEqual([
      'local',
      'ring1',
    ]);
    expect((await call('GET', '/api/market?capability=text.stats')).body.items).toHaveLength(1);
    expect((await call('GET', '/api/market?limit=1')).body.items).toHaveLength(1);
    expect((await call('GET', '/api/capabilities')).body).toMatchObject({
      modules: [{ state: 'ready' }],
      offers: [{ price: 1 }],
    });
    expect((await call('POST', '/api/capabilities/notify/trust')).body).toMatchObject({
      manifest: { id: 'notify' },
    });
    expect((await call('POST', '/api/capabilities/nope/trust')).status).toBe(404);
    expect((await call('GET', '/api/receipts')).body).toEqual({ items: [], cursor: null });
    expect((await call('GET', '/api/receipts/verify')).body).toMatchObject({ ok: true });
  });
});

describe('permissions', () => {
  it('are granted and revoked', async () => {
    const url = '/api/permissions/notify/network%3Aconfig';
    expect((await call('PUT', url)).body).toMatchObject({ granted: true });
    expect((await call('GET', '/api/permissions')).body.items).toMatchObject([{ granted: true }]);
    expect((await call('DELETE', url)).body).toMatchObject({ granted: false });
    expect(await call('PUT', '/api/permissions/notify/storage')).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    });
  });
});

describe('credits', () => {
  it('speak of credits, not of millionths', async () => {
    const grant = await call('POST', '/api/credits/grants', { account: IDENTITY, amount: 1.5, id: 'one' });
    expect(grant).toMatchObject({
      status: 201,
      body: { reference: 'grant:one', account: IDENTITY, balance: 1.5 },
    });
    expect((await call('GET', '/api/credits')).body).toEqual({
      identity: IDENTITY,
      balance: 1.5,
      limit: 1000,
      accounts: [{ account: IDENTITY, balance: 1.5, disputed: 0 }],
      cursor: null,
    });
    expect((await call('GET', '/api/credits/history')).body.items).toMatchObject([
      { amount: 1.5, microAmount: 1_500_000 },
    ]);
    expect((await call('GET', '/api/credits/verify')).body).toMatchObject({ ok: true });
    expect((await call('GET', `/api/credits/reconcile/${NODE_ID}`)).body).toMatchObject({
      nodeId: NODE_ID,
      agree: true,
    });
  });

  it('are granted to a node id as to the identity it stands for', async () => {
    expect((await call('POST', '/api/credits/grants', { account: NODE_ID, amount: 1 })).body.account).toBe(
      IDENTITY,
    );
  });

  it.each([
    [{ account: IDENTITY, amount: 0 }, 400, 'invalid_request'],
    [{ account: IDENTITY, amount: 0.000_000_1 }, 400, 'invalid_request'],
    [{ account: 'me', amount: 1 }, 400, 'invalid_request'],
    [{ account: IDENTITY, amount: '1' }, 400, 'invalid_request'],
    [{ account: IDENTITY, amount: 1, id: 'used' }, 409, 'conflict'],
  ])('refuse the grant %j', async (grant, status, code) => {
    expect(await call('POST', '/api/credits/grants', grant)).toMatchObject({ status, body: { code } });
  });
});

describe('failures', () => {
  it('of the node’s own are `internal`, logged, and say nothing about the inside', async () => {
    node.components.network.peers = () => {
      throw new TypeError('secret inside');
    };
    const response = await call('GET', '/api/peers');
    expect(response).toMatchObject({
      status: 500,
      body: { code: 'internal', message: 'An internal error occurred.' },
    });
    expect(JSON.stringify(response)).not.toContain('secret');
    expect(node.logged.join('')).toContain('secret inside');
  });

  it.each([
    ['GET', '/nope', 404, 'not_found'],
    ['DELETE', '/api/capsules', 404, 'not_found'],
    ['GET', '/%zz', 400, 'invalid_request'],
  ] as const)('%s %s', async (method, url, status, code) => {
    expect(await call(method, url)).toMatchObject({ status, body: { code } });
  });
});

describe('health', () => {
  it('is open; readiness follows the node', async () => {
    expect((await app.inject('/healthz')).json()).toEqual({ status: 'ok' });
    expect((await app.inject('/readyz')).statusCode).toBe(200);
    node.setReady(false);
    const response = await app.inject('/readyz');
    expect(response.statusCode).toBe(503);
    expect(response.json()).toMatchObject({ code: 'busy' });
    expect((await app.inject('/healthz')).statusCode).toBe(200);
    expect((await app.inject({ method: 'HEAD', url: '/healthz' })).statusCode).toBe(200);
  });
});
