import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Access } from '../../../src/api/access.ts';
import type { Scope } from '../../../src/api/principal.ts';
import type { Server } from '../../../src/api/route-context.ts';
import { buildServer } from '../../../src/api/server.ts';
import { createCapsule, signCapsule } from '../../../src/capsule/capsule.ts';
import { DatabasePrincipals } from '../../../src/daemon/principals.ts';
import { createSigner } from '../../../src/lib/crypto.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { memoryNode, TOKEN } from '../../support/api-components.ts';
import { memoryTestDatabase } from '../../support/database.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';
const UNKNOWN = 'ef'.repeat(32);
let clock: VirtualClock;
let node: ReturnType<typeof memoryNode>;
let app: Server;
let quotas = { requestsPerSecond: 1000, streams: 2, capsules: 3 };

async function build(): Promise<void> {
  const init = { ...node.init, hosts: ['localhost'], quotas };
  app = await buildServer(node.components, init, new Access(node.components, init));
  await app.ready();
}
beforeEach(async () => {
  quotas = { requestsPerSecond: 1000, streams: 2, capsules: 3 };
  clock = new VirtualClock();
  const db = memoryTestDatabase();
  const principals = await DatabasePrincipals.open({ db, crypto: nodeCrypto, ageNow: () => clock.now() });
  node = memoryNode(clock, principals);
  await build();
});
afterEach(() => app.close());

async function call(token: string, method: Method, url: string, payload?: object) {
  const json = { 'content-type': 'application/json' };
  const response = await app.inject({
    method,
    url,
    headers: { authorization: `Bearer ${token}`, ...(payload !== undefined && json) },
    ...(payload !== undefined && { payload }),
  });
  return { status: response.statusCode, body: response.json() };
}
async function create(name: string, scope: Scope, more: object = {}): Promise<string> {
  const { status, body } = await call(TOKEN, 'POST', '/api/tokens', { name, scope, ...more });
  expect(status).toBe(201);
  return body.token;
}
async function submit(token: string, text: string, more: object = {}): Promise<string> {
  const { status, body } = await call(token, 'POST', '/api/capsules', { ...node.draft(text), ...more });
  expect(status).toBe(202);
  return body.id;
}
const denied = (missing: string) => ({
  status: 403,
  body: { code: 'permission_denied', detail: { missing } },
});

/** Every route that wants a token: method, address, and the scopes beside `admin` that get in. */
const ROUTES: [Method, string, string][] = [
  ['GET', '/api/node', 'read'],
  ['GET', '/api/peers', 'read'],
  ['GET', '/api/market', 'read run'],
  ['GET', '/api/capabilities', 'read run'],
  ['POST', '/api/capabilities/notify/trust', ''],
  ['GET', '/api/permissions', 'read'],
  ['PUT', '/api/permissions/notify/network%3Aconfig', ''],
  ['DELETE', '/api/permissions/notify/network%3Aconfig', ''],
  ['GET', '/api/credits', 'read'],
  ['GET', '/api/credits/history', 'read'],
  ['GET', '/api/credits/verify', 'read'],
  ['POST', '/api/credits/grants', ''],
  ['GET', '/api/receipts', 'read'],
  ['GET', '/api/receipts/verify', 'read'],
  ['GET', `/api/receipts/${UNKNOWN}`, 'read'],
  ['POST', '/api/capsules', 'run'],
  ['GET', '/api/capsules', 'read run'],
  ['GET', `/api/capsules/${UNKNOWN}`, 'read run'],
  ['GET', `/api/capsules/${UNKNOWN}/decisions`, 'read run'],
  ['GET', `/api/capsules/${UNKNOWN}/events`, 'read run'],
  ['POST', `/api/capsules/${UNKNOWN}/cancel`, 'run'],
  ['POST', `/api/capsules/${UNKNOWN}/retry`, 'run'],
  ['GET', '/api/workflows', 'read run'],
  ['GET', `/api/workflows/${UNKNOWN}`, 'read run'],
  ['GET', `/api/workflows/${UNKNOWN}/archive`, 'read run'],
  ['GET', '/openapi.json', 'read run'],
  ['GET', '/api/tokens', 'owner'],
  ['POST', '/api/tokens', 'owner'],
  ['DELETE', '/api/tokens/reader', 'owner'],
  ['POST', '/api/session-codes', 'owner'],
];

describe('scopes', () => {
  it.each(['read', 'run', 'admin'] as const)('%s opens what it says, and nothing else', async (scope) => {
    const token = await create('tool', scope);
    for (const [method, url, scopes] of ROUTES) {
      const opens = scopes !== 'owner' && (scope === 'admin' || scopes.split(' ').includes(scope));
      const { status, body } = await call(token, method, url);
      const name = `${method} ${url}`;
      if (opens) expect(status, name).not.toBe(403);
      else {
        expect({ status, body }, name).toMatchObject(denied(scopes.split(' ')[0] || 'admin'));
        expect(body.detail.scope, name).toBe(scope);
      }
    }
  });

  it('of every route are tested above', async () => {
    const description = (await call(TOKEN, 'GET', '/openapi.json')).body;
    const paths = Object.entries<Record<string, { security?: unknown[] }>>(description.paths);
    const guarded = paths.flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([, { security }]) => security?.length !== 0)
        .map(([method]) => `${method.toUpperCase()} ${path}`),
    );
    const untested = guarded.filter((route) => {
      const [method, path = ''] = route.split(' ');
      const pattern = new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`);
      return !ROUTES.some(([each, url]) => each === method && pattern.test(url));
    });
    // A stream that does not end, a question to another node, a body that is not JSON.
    expect(untested.sort()).toEqual([
      'GET /api/credits/reconcile/{node}',
      'GET /api/events',
      'POST /api/archives/verify',
    ]);
  });

  it('are none for a token that was revoked, has expired, or is made up', async () => {
    const revoked = await create('one', 'admin');
    const expired = await create('two', 'admin', { expiresAt: clock.now() + 1000 });
    expect((await call(revoked, 'GET', '/api/node')).status).toBe(200);
    expect(await call(TOKEN, 'DELETE', '/api/tokens/one')).toMatchObject({
      status: 200,
      body: { name: 'one' },
    });
    await clock.advance(1000);
    for (const token of [revoked, expired, 'capsule_x']) {
      expect(await call(token, 'GET', '/api/node')).toMatchObject({
        status: 401,
        body: { code: 'unauthorized' },
      });
    }
  });
});

describe('a token that runs', () => {
  it('reads its own results and nobody else’s', async () => {
    const [alice, bob] = [await create('alice', 'run'), await create('bob', 'run')];
    const reader = await create('reader', 'read');
    const [own, others, owners] = [
      await submit(alice, 'a'),
      await submit(bob, 'b'),
      await submit(TOKEN, 'c'),
    ];
    for (const id of [own, others, owners]) node.end(id, { secret: id });

    expect((await call(alice, 'GET', `/api/capsules/${own}`)).body).toMatchObject({
      result: { secret: own },
      record: { principal: 'alice' },
    });
    const readable = ['', '/decisions', '/events'].map((part) => `/api/capsules/ID${part}`);
    for (const path of [...readable, '/api/workflows/ID', '/api/workflows/ID/archive']) {
      for (const id of [others, owners])
        expect(await call(alice, 'GET', path.replace('ID', id)), path).toMatchObject(denied('read'));
    }
    for (const path of ['cancel', 'retry']) {
      for (const id of [others, owners])
        expect(await call(alice, 'POST', `/api/capsules/${id}/${path}`)).toMatchObject(denied('read'));
    }
    const listed = async (token: string) =>
      (await call(token, 'GET', '/api/capsules')).body.items.map(
        ({ id, principal }: Record<string, string>) => [id, principal],
      );
    expect(await listed(alice)).toEqual([[own, 'alice']]);
    expect(await listed(reader)).toEqual([
      [own, 'alice'],
      [others, 'bob'],
      [owners, 'owner'],
    ]);
    const roots = (await call(alice, 'GET', '/api/workflows')).body.items;
    expect(roots.map(({ root }: { root: string }) => root)).toEqual([own]);
  });

  it('learns nothing by submitting another’s capsule again, and does not become its owner', async () => {
    const alice = await create('alice', 'run');
    const signed = node.components.signDraft(node.draft('secret'));
    await call(TOKEN, 'POST', '/api/capsules', signed);
    node.end(signed.id, 'secret');
    expect(await call(alice, 'POST', '/api/capsules?wait=1000', signed)).toEqual({
      status: 202,
      body: { id: signed.id },
    });
    expect(await call(alice, 'GET', `/api/capsules/${signed.id}`)).toMatchObject(denied('read'));
  });

  it('sees the steps of its chain, and not a chain that it tied a capsule of its own to', async () => {
    const [alice, bob] = [await create('alice', 'run'), await create('bob', 'run')];
    const root = await submit(alice, 'a');
    const step = await submit(TOKEN, 'step of it');
    const view = node.views.get(step);
    if (view === undefined) throw new Error('no step');
    node.views.set(step, { ...view, record: { ...view.record, root, parentCapsule: root, chainDepth: 1 } });
    expect((await call(alice, 'GET', `/api/capsules/${step}`)).status).toBe(200);
    expect(await call(bob, 'GET', `/api/capsules/${step}`)).toMatchObject(denied('read'));

    const tied = await submit(bob, 'b');
    const mine = node.views.get(tied);
    if (mine === undefined) throw new Error('no capsule');
    node.views.set(tied, { ...mine, record: { ...mine.record, root, parentCapsule: root, chainDepth: 1 } });
    expect((await call(bob, 'GET', `/api/capsules/${tied}`)).status).toBe(200);
    expect(await call(alice, 'GET', `/api/capsules/${tied}`)).toMatchObject(denied('read'));
    for (const path of [`/api/workflows/${tied}`, `/api/workflows/${tied}/archive`])
      expect(await call(bob, 'GET', path)).toMatchObject(denied('read'));
    expect(await call(bob, 'POST', `/api/capsules/${tied}/retry`)).toMatchObject(denied('read'));
  });

  it('asks for its capabilities alone, in the steps too', async () => {
    const tool = await create('tool', 'run', { capabilities: ['text.stats'] });
    await submit(tool, 'a');
    const other = { ...node.draft('b'), requestedCapability: 'notify.send' };
    expect(await call(tool, 'POST', '/api/capsules', other)).toMatchObject(denied('capability'));
    const step = { requestedCapability: 'text.stats', payloadTemplate: {} };
    const hidden = { ...step, next: [{ requestedCapability: 'notify.send', payloadTemplate: {} }] };
    const chain = { ...node.draft('c'), next: [hidden] };
    expect(await call(tool, 'POST', '/api/capsules', chain)).toMatchObject(denied('capability'));
    expect(node.submitted).toHaveLength(1);
  });

  it('spends what it was given for the day, chains counted whole', async () => {
    const paymentRule = { type: 'credit', amount: 2 };
    const free = await create('free', 'run');
    expect(await call(free, 'POST', '/api/capsules', { ...node.draft(), paymentRule })).toMatchObject(
      denied('spend'),
    );
    const tool = await create('tool', 'run', { spendPerDay: 5 });
    const next = [{ requestedCapability: 'text.stats', payloadTemplate: {} }];
    await submit(tool, 'a', { paymentRule, next });
    expect(await call(tool, 'POST', '/api/capsules', { ...node.draft('b'), paymentRule })).toMatchObject({
      status: 429,
      body: { code: 'rate_limited', detail: { left: 1 } },
    });
    const { items } = (await call(TOKEN, 'GET', '/api/tokens')).body;
    expect(items).toMatchObject([
      { name: 'free', spendPerDay: 0, spentToday: 0 },
      { name: 'tool', spendPerDay: 5, spentToday: 4, underWay: 1 },
    ]);
    expect(JSON.stringify(items)).not.toContain(tool);
    await clock.advance(86_400_000);
    await submit(tool, 'c', { paymentRule });
  });

  it('is not charged for what was refused', async () => {
    const tool = await create('tool', 'run', { spendPerDay: 5 });
    node.components.capsules.submit = async () => {
      throw new Error('the disk');
    };
    const paid = { ...node.draft(), paymentRule: { type: 'credit', amount: 5 } };
    expect((await call(tool, 'POST', '/api/capsules', paid)).status).toBe(500);
    expect((await call(TOKEN, 'GET', '/api/tokens')).body.items).toMatchObject([
      { spentToday: 0, underWay: 0 },
    ]);
    expect(node.followers.size).toBe(0);
  });

  it('submits what it signed itself, and nothing under an id that is not its own', async () => {
    const tool = await create('tool', 'run');
    const signer = createSigner(nodeCrypto, new Uint8Array(32).fill(9));
    const unsigned = createCapsule({ ...node.draft(), originIdentity: signer.identity }, clock);
    const signed = signCapsule(signer, nodeCrypto, unsigned);
    const forged = { ...signed, payload: { text: 'other' } };
    expect((await call(tool, 'POST', '/api/capsules', forged)).body.code).toBe('invalid_signature');
    expect(node.components.principals.ownerOf(signed.id)).toBeUndefined();
    expect((await call(tool, 'POST', '/api/capsules', signed)).status).toBe(202);
    expect((await call(tool, 'GET', `/api/capsules/${signed.id}`)).body.record.principal).toBe('tool');
  });
});

describe('limits of each principal', () => {
  it('bound its requests, and not the owner’s', async () => {
    await app.close();
    quotas = { ...quotas, requestsPerSecond: 1 };
    await build();
    const tool = await create('tool', 'read');
    for (let asked = 0; asked < 4; asked++) expect((await call(tool, 'GET', '/api/node')).status).toBe(200);
    expect(await call(tool, 'GET', '/api/node')).toMatchObject({
      status: 429,
      body: { code: 'rate_limited', detail: { setting: 'api.requestsPerSecond' } },
    });
    for (let asked = 0; asked < 10; asked++) expect((await call(TOKEN, 'GET', '/api/node')).status).toBe(200);
    await clock.advance(1000);
    expect((await call(tool, 'GET', '/api/node')).status).toBe(200);
  });

  it('bound its capsules under way, over a restart too', async () => {
    const tool = await create('tool', 'run');
    const ids = [await submit(tool, 'a'), await submit(tool, 'b'), await submit(tool, 'c')];
    const refused = {
      status: 503,
      body: { code: 'busy', detail: { limit: 3, setting: 'api.capsulesPerToken' } },
    };
    expect(await call(tool, 'POST', '/api/capsules', node.draft('d'))).toMatchObject(refused);
    await submit(TOKEN, 'e');
    await app.close();
    await build();
    expect(await call(tool, 'POST', '/api/capsules', node.draft('d'))).toMatchObject(refused);
    node.end(ids[1] ?? '', null);
    await submit(tool, 'd');
    expect(await call(tool, 'POST', '/api/capsules', node.draft('f'))).toMatchObject(refused);
  });

  it('bound its waiting submissions, which are taken all the same', async () => {
    const tool = await create('tool', 'run');
    const waiting = ['a', 'b'].map((text) =>
      call(tool, 'POST', '/api/capsules?wait=60000', node.draft(text)),
    );
    // Each is followed for its caller, and to know when it has ended.
    while (node.followers.size < 4) await settle();
    expect((await call(tool, 'POST', '/api/capsules?wait=60000', node.draft('c'))).status).toBe(202);
    for (const id of node.views.keys()) node.end(id, null);
    for (const answer of waiting) expect((await answer).status).toBe(200);
    expect(node.followers.size).toBe(0);
  });
});

it('are known to the log', async () => {
  const tool = await create('tool', 'run');
  await call(tool, 'GET', '/api/market');
  await call(TOKEN, 'GET', '/api/market');
  const lines = node.logged.map((line) => JSON.parse(line)).filter(({ route }) => route === '/api/market');
  expect(lines.map(({ principal }) => principal)).toEqual(['tool', 'owner']);
  expect(node.logged.join('')).not.toContain(tool);
});
