import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Api, createApi } from '../../../src/api/api.ts';
import { OWNER } from '../../../src/api/principal.ts';
import { memoryNode, TOKEN } from '../../support/api-components.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

let clock: VirtualClock;
let node: ReturnType<typeof memoryNode>;
let api: Api;
beforeEach(async () => {
  clock = new VirtualClock();
  node = memoryNode(clock);
  api = createApi(node.components, { ...node.init, hosts: ['mesh.example', 'proxy.example:8443'] });
  await api.start();
});
afterEach(() => api.stop());

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}
const bearer = { authorization: `Bearer ${TOKEN}` };

/** One exchange on a real socket, with exactly these headers. */
function send(
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
  body = '',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(new URL(path, api.url), { method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
const port = () => new URL(api.url).port;

describe('the token', () => {
  it.each([
    ['none', {}],
    ['a wrong one', { authorization: `Bearer ${'cd'.repeat(32)}` }],
    ['a shorter one', { authorization: `Bearer ${TOKEN.slice(1)}` }],
    ['another scheme', { authorization: `Basic ${TOKEN}` }],
    ['a cookie', { cookie: `capsule=${TOKEN}` }],
    ['one that nobody made', { authorization: 'Bearer capsule_abc' }],
  ])('%s: 401', async (_name, headers) => {
    for (const path of ['/api/node', '/api/events', '/openapi.json', '/nope']) {
      const answer = await send(path, headers);
      expect(answer.status).toBe(401);
      expect(JSON.parse(answer.body)).toMatchObject({ code: 'unauthorized' });
      expect(answer.headers['www-authenticate']).toBe('Bearer');
    }
  });

  it('opens everything; health and readiness need none', async () => {
    expect((await send('/api/node', bearer)).status).toBe(200);
    expect((await send('/healthz')).status).toBe(200);
    expect((await send('/readyz')).status).toBe(200);
  });

  it('is needed on every address but loopback', () => {
    for (const host of ['0.0.0.0', '::', '192.168.1.2', 'mesh.example']) {
      expect(() => createApi(node.components, { ...node.init, host, token: null })).toThrow(
        /without a token/,
      );
    }
  });

  it('can be done without on loopback', async () => {
    const open = createApi(node.components, { ...node.init, token: null });
    await open.start();
    try {
      expect((await fetch(`${open.url}/api/node`)).status).toBe(200);
      expect(
        (await fetch(`${open.url}/api/node`, { headers: { origin: 'http://evil.example' } })).status,
      ).toBe(403);
    } finally {
      await open.stop();
    }
  });
});

describe('host and origin', () => {
  it.each([
    ['evil.example'],
    ['evil.example:PORT'],
    ['127.0.0.1:1'],
    ['localhost'],
    ['localhost.evil.example:PORT'],
    ['user@localhost:PORT'],
    ['10.0.0.1:PORT'],
    ['proxy.example:1'],
  ])('Host "%s" is refused', async (host) => {
    for (const path of ['/healthz', '/api/node', '/']) {
      const answer = await send(path, { ...bearer, host: host.replace('PORT', port()) });
      expect(answer.status).toBe(403);
      expect(JSON.parse(answer.body)).toMatchObject({ code: 'forbidden_origin' });
    }
  });

  it.each([
    ['127.0.0.1:PORT'],
    ['localhost:PORT'],
    ['LOCALHOST:PORT'],
    ['[::1]:PORT'],
    ['mesh.example'],
    ['mesh.example:99'],
    ['proxy.example:8443'],
  ])('Host "%s" is answered', async (host) => {
    expect((await send('/api/node', { ...bearer, host: host.replace('PORT', port()) })).status).toBe(200);
  });

  it.each([
    ['http://evil.example', '127.0.0.1:PORT', 403],
    ['null', '127.0.0.1:PORT', 403],
    ['http://127.0.0.1:1', '127.0.0.1:PORT', 403],
    ['http://127.0.0.1', '127.0.0.1:PORT', 403],
    ['http://localhost:PORT', '127.0.0.1:PORT', 403],
    ['http://127.0.0.1:PORT', '127.0.0.1:PORT', 200],
    ['http://127.0.0.1:PORT', 'localhost:PORT', 403],
    ['http://LOCALHOST:PORT', 'localhost:PORT', 200],
    // A name that may be called is no page that may call.
    ['https://mesh.example', '127.0.0.1:PORT', 403],
    ['https://mesh.example:99', 'mesh.example', 403],
    ['https://mesh.example', 'mesh.example', 200],
    ['https://mesh.example', 'mesh.example:443', 200],
    ['https://mesh.example', 'mesh.example:80', 403],
    ['http://mesh.example', 'mesh.example', 200],
    ['https://proxy.example:8443', 'proxy.example:8443', 200],
    ['https://proxy.example', 'proxy.example:8443', 403],
    ['file://', 'mesh.example', 403],
    ['ftp://mesh.example', 'mesh.example', 403],
  ])('Origin "%s" to "%s": %i', async (origin, host, expected) => {
    const headers = { origin: origin.replace('PORT', port()), host: host.replace('PORT', port()) };
    expect((await send('/api/node', { ...bearer, ...headers })).status).toBe(expected);
    const changed = await send('/api/session-codes', { ...bearer, ...headers }, 'POST');
    expect(changed.status).toBe(expected === 200 ? 201 : expected);
  });
});

/** Exchanges a code as the page does. */
const exchange = (code: string) => {
  const headers = { 'content-type': 'application/json', origin: api.url };
  return send('/api/sessions', headers, 'POST', JSON.stringify({ code }));
};
const codeOf = (address: string) => new URLSearchParams(new URL(address).hash.slice(1)).get('code') ?? '';
const holding = (answer: Answer) => ({ authorization: `Bearer ${JSON.parse(answer.body).token}` });

describe('the console address', () => {
  it('has a code that the page exchanges for a token, once, and no cookie', async () => {
    const address = api.consoleUrl();
    const page = await send('/');
    expect(page.status).toBe(200);
    expect(page.headers['content-type']).toContain('text/html');
    expect(page.headers['set-cookie']).toBeUndefined();
    expect(page.body).not.toContain('12D3KooW');

    const first = await exchange(codeOf(address));
    expect(first.status).toBe(201);
    expect(first.headers['set-cookie']).toBeUndefined();
    expect((await send('/api/node', holding(first))).status).toBe(200);
    expect((await send('/api/tokens', holding(first))).status).toBe(200);
    const second = await exchange(codeOf(address));
    expect(second.status).toBe(401);
    expect(JSON.parse(second.body)).toMatchObject({
      code: 'unauthorized',
      message: 'This address was used already, or is too old.',
    });
  });

  it('grows old, and so does a session', async () => {
    const late = codeOf(api.consoleUrl());
    await clock.advance(61 * 60_000);
    expect((await exchange(late)).status).toBe(401);
    const session = holding(await exchange(codeOf(api.consoleUrl())));
    expect((await send('/api/node', session)).status).toBe(200);
    await clock.advance(8 * 24 * 3_600_000);
    expect((await send('/api/node', session)).status).toBe(401);
  });

  it('comes anew for who has the token', async () => {
    const { body, status } = await send('/api/session-codes', bearer, 'POST');
    expect(status).toBe(201);
    const { code, url } = JSON.parse(body);
    expect(url).toBe(`${api.url}/#code=${code}`);
    expect((await exchange(code)).status).toBe(201);
    expect((await send('/api/session-codes', {}, 'POST')).status).toBe(401);
    expect((await exchange('wrong')).status).toBe(401);
  });

  it('keeps only the newest codes', async () => {
    const first = codeOf(api.consoleUrl());
    for (let issued = 0; issued < 16; issued++) api.consoleUrl();
    expect((await exchange(first)).status).toBe(401);
  });

  it('is the public one where there is one, which is answered too', async () => {
    const proxied = createApi(node.components, { ...node.init, publicUrl: 'https://mesh.example' });
    await proxied.start();
    try {
      expect(proxied.consoleUrl()).toMatch(/^https:\/\/mesh\.example\/#code=[\w-]{43}$/);
      const through = (host: string) =>
        new Promise<number>((resolve, reject) => {
          const headers = { ...bearer, host, origin: `https://${host}` };
          const options = { method: 'POST', headers, agent: false };
          const asked = request(new URL('/api/session-codes', proxied.url), options, (response) => {
            response.resume();
            resolve(response.statusCode ?? 0);
          });
          asked.on('error', reject);
          asked.end();
        });
      expect(await through('mesh.example')).toBe(201);
      expect(await through('mesh.example:8443')).toBe(403);
    } finally {
      await proxied.stop();
    }
  });
});

describe('the page', () => {
  it('may run its own script and nothing else; other routes nothing', async () => {
    const { headers, body } = await send('/');
    const policy = String(headers['content-security-policy']);
    const hashOf = (tag: string): string => {
      const text = new RegExp(`<${tag}>(.*)</${tag}>`, 's').exec(body)?.[1] ?? '';
      return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
    };
    expect(Object.fromEntries(policy.split('; ').map((each) => each.split(/ (.*)/, 2)))).toEqual({
      'default-src': "'none'",
      'script-src': hashOf('script'),
      'style-src': hashOf('style'),
      'connect-src': "'self'",
      'base-uri': "'none'",
      'form-action': "'none'",
      'frame-ancestors': "'none'",
    });
    const other = await send('/api/node', bearer);
    expect(other.headers['content-security-policy']).toBe("default-src 'none'; frame-ancestors 'none'");
  });
});

/** Reads server-sent events until the stream ends, or until `enough`. */
async function follow(path: string, headers: Record<string, string> = {}) {
  const abort = new AbortController();
  const response = await fetch(new URL(path, api.url), {
    headers: { ...bearer, ...headers },
    signal: abort.signal,
  });
  const reader = (response.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const parse = () =>
    text
      .split('\n\n')
      .slice(0, -1)
      .filter((block) => block.includes('data: '))
      .map((block) => ({
        id: /^id: (.*)$/m.exec(block)?.[1],
        event: /^event: (.*)$/m.exec(block)?.[1],
        data: JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? 'null'),
      }));
  async function read(enough: (text: string) => boolean): Promise<void> {
    while (!enough(text)) {
      const { done, value } = await reader.read();
      if (done) return;
      text += value;
    }
  }
  return {
    response,
    read,
    text: () => text,
    events: parse,
    /** The first `count` events. */
    async first(count: number) {
      await read(() => parse().length >= count);
      return parse();
    },
    async all() {
      await read(() => false);
      return parse();
    },
    close: () => abort.abort(),
  };
}

async function submit(text: string): Promise<string> {
  const headers = { ...bearer, 'content-type': 'application/json' };
  return JSON.parse((await send('/api/capsules', headers, 'POST', JSON.stringify(node.draft(text)))).body).id;
}

describe('events', () => {
  it('of a capsule come from its beginning, and end with it', async () => {
    const id = await submit('a');
    node.emit({ type: 'progress', epoch: 1, capsuleId: id, delta: 'early' });
    const stream = await follow(`/api/capsules/${id}/events`);
    expect(stream.response.headers.get('content-type')).toContain('text/event-stream');
    await stream.first(2);
    node.emit({ type: 'progress', epoch: 1, capsuleId: await submit('other'), delta: 'not mine' });
    node.emit({ type: 'progress', epoch: 1, capsuleId: id, delta: 'late\nline' });
    node.end(id, null);
    const events = await stream.all();
    expect(events.map(({ event }) => event)).toEqual(['status', 'progress', 'progress', 'done']);
    expect(events.map(({ data }) => data.delta)).toEqual([undefined, 'early', 'late\nline', undefined]);
    expect(node.followers.size).toBe(0);
  });

  it('resume after the last one that was seen', async () => {
    const id = await submit('a');
    node.emit({ type: 'progress', epoch: 1, capsuleId: id, delta: 'one' });
    const stream = await follow(`/api/capsules/${id}/events`);
    const seen = await stream.first(2);
    stream.close();
    node.emit({ type: 'progress', epoch: 1, capsuleId: id, delta: 'two' });
    node.end(id, null);
    const resumed = await follow(`/api/capsules/${id}/events`, { 'last-event-id': seen[1]?.id ?? '' });
    expect((await resumed.all()).map(({ event, data }) => data.delta ?? event)).toEqual(['two', 'done']);
  });

  it('of an earlier life of the node are no place to resume from: everything remembered comes', async () => {
    const id = await submit('a');
    node.end(id, null);
    const stream = await follow(`/api/capsules/${id}/events`, { 'last-event-id': 'formerlife-99' });
    expect((await stream.all()).map(({ event }) => event)).toEqual(['status', 'done']);
    const refused = await send('/api/events', { ...bearer, 'last-event-id': '<script>' });
    expect(refused).toMatchObject({ status: 400, body: expect.stringContaining('invalid_request') });
  });

  it('give the outcome at once where the capsule ended too long ago to remember', async () => {
    const id = await submit('a');
    node.end(id, null);
    const seen = await (await follow(`/api/capsules/${id}/events`)).all();
    const stream = await follow(`/api/capsules/${id}/events`, { 'last-event-id': seen.at(-1)?.id ?? '' });
    const events = await stream.all();
    expect(events.map(({ event }) => event)).toEqual(['status', 'done']);
    expect(events.map(({ id: place }) => place)).toEqual([undefined, undefined]);
    expect(events[1]?.data).toMatchObject({ status: 'completed', error: null });
  });

  it('of the node are the new ones; with Last-Event-ID also those missed', async () => {
    await submit('before');
    const stream = await follow('/api/events');
    await stream.read((text) => text.includes(': open'));
    const id = await submit('after');
    const [first] = await stream.first(1);
    expect(first?.data.capsuleId).toBe(id);
    stream.close();
    await submit('missed');
    const resumed = await follow('/api/events', { 'last-event-id': first?.id ?? '' });
    expect((await resumed.first(1))[0]?.data.sequence).toBe((first?.data.sequence ?? 0) + 1);
    resumed.close();
  });

  it('of the node are, for a token that runs, those of its own capsules', async () => {
    const owners = await submit('the owner’s');
    const mine = await submit('mine');
    node.components.principals.find = () => ({ ...OWNER, name: 'tool', scope: 'run' });
    node.components.principals.ownerOf = (id) => (id === mine ? 'tool' : undefined);
    const stream = await follow('/api/events', { authorization: 'Bearer capsule_tool' });
    await stream.read((text) => text.includes(': open'));
    node.emit({ type: 'progress', epoch: 1, capsuleId: owners, delta: 'secret' });
    node.emit({ type: 'progress', epoch: 1, capsuleId: 'ab'.repeat(32), delta: 'of nobody' });
    node.emit({ type: 'progress', epoch: 1, capsuleId: mine, delta: 'mine' });
    expect((await stream.first(1)).map(({ data }) => data.delta)).toEqual(['mine']);
    stream.close();
  });

  it('end with the token that they were asked for with', async () => {
    node.components.principals.find = (token) => ({
      ...OWNER,
      name: token,
      scope: 'read',
      expiresAt: token === 'expires' ? clock.now() + 1000 : null,
    });
    node.components.principals.revoke = async (name) => ({
      ...OWNER,
      name,
      scope: 'read',
      createdAt: 0,
      microSpentToday: 0,
    });
    const [expires, revoked, stays] = await Promise.all(
      ['expires', 'revoked', 'stays'].map(async (name) => {
        const stream = await follow('/api/events', { authorization: `Bearer ${name}` });
        await stream.read((text) => text.includes(': open'));
        return stream;
      }),
    );
    await clock.advance(1000);
    await expires?.all();
    expect((await send('/api/tokens/revoked', bearer, 'DELETE')).status).toBe(200);
    await revoked?.all();
    expect(node.followers.size).toBe(1);
    stays?.close();
  });

  it('keep a quiet connection alive', async () => {
    const stream = await follow('/api/events');
    await stream.read((text) => text.includes(': open'));
    await clock.advance(15_000);
    await stream.read((text) => text.includes(': alive'));
    await clock.advance(15_000);
    await stream.read((text) => text.split(': alive').length > 2);
    stream.close();
  });

  it('are not kept for a client that went away', async () => {
    const stream = await follow('/api/events');
    await stream.read((text) => text.includes(': open'));
    expect(node.followers.size).toBe(1);
    stream.close();
    while (node.followers.size > 0) await settle();
  });

  it('of a backlog of 50,000 come whole, over a connection that breaks in between', async () => {
    const count = 50_000;
    for (let n = 1; n <= count; n++)
      node.emit({ type: 'progress', epoch: 1, capsuleId: 'ab'.repeat(32), delta: `word ${n}` });
    const seen: string[] = [];
    /** Reads events from the one after the last that was seen, until there are so many, and breaks off. */
    const readOn = async (enough: number): Promise<void> => {
      const abort = new AbortController();
      const response = await fetch(new URL('/api/events', api.url), {
        headers: { ...bearer, 'last-event-id': seen.at(-1) ?? 'formerlife-1' },
        signal: abort.signal,
      });
      let rest = '';
      for await (const chunk of response.body ?? []) {
        const blocks = (rest + Buffer.from(chunk).toString()).split('\n\n');
        rest = blocks.pop() ?? '';
        for (const block of blocks) seen.push(...(/^id: (\S+)$/m.exec(block)?.slice(1) ?? []));
        if (seen.length >= enough) break;
      }
      abort.abort();
    };
    await readOn(20_000);
    expect(seen.length).toBeLessThan(count);
    await readOn(count);
    const numbers = seen.map((id) => Number(id.split('-')[1]));
    expect(numbers).toEqual(Array.from({ length: count }, (_, n) => n + 1));
  });

  it('free the place of a client that went away while its capsule was looked up', async () => {
    const id = await submit('a');
    const { view } = node.components.capsules;
    const asked = Promise.withResolvers<void>();
    const found = Promise.withResolvers<void>();
    node.components.capsules.view = async (each) => {
      asked.resolve();
      await found.promise;
      return view(each);
    };
    const socket = connect(Number(port()), '127.0.0.1');
    socket.write(
      `GET /api/capsules/${id}/events HTTP/1.1\r\nhost: 127.0.0.1:${port()}\r\nauthorization: Bearer ${TOKEN}\r\n\r\n`,
    );
    await asked.promise;
    socket.destroy();
    await settle();
    await settle();
    found.resolve();
    await settle();
    expect(node.followers.size).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  it('cut off a client that does not read', async () => {
    const socket = connect(Number(port()), '127.0.0.1');
    socket.pause();
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write(
      `GET /api/events HTTP/1.1\r\nhost: 127.0.0.1:${port()}\r\nauthorization: Bearer ${TOKEN}\r\n\r\n`,
    );
    while (node.followers.size === 0) await settle();
    const delta = 'x'.repeat(256 * 1024);
    for (let sent = 0; sent < 100; sent++)
      node.emit({ type: 'progress', epoch: 1, capsuleId: 'ab'.repeat(32), delta });
    for (let beats = 0; node.followers.size > 0 && beats < 100; beats++) await clock.advance(15_000);
    expect(node.followers.size).toBe(0);
    socket.resume();
    await closed;
  });
});

describe('life', () => {
  it('says when the port is taken', async () => {
    const second = createApi(node.components, { ...node.init, port: Number(port()) });
    await expect(second.start()).rejects.toMatchObject({
      code: 'address_in_use',
      detail: { port: Number(port()) },
    });
    await second.stop();
  });

  it('says when the address is not one of this machine', async () => {
    const second = createApi(node.components, { ...node.init, host: '192.0.2.1' });
    await expect(second.start()).rejects.toMatchObject({ code: 'config_invalid' });
  });

  it('stops with streams and waiting submissions open, and starts again', async () => {
    const stream = await follow('/api/events');
    await stream.read((text) => text.includes(': open'));
    const headers = { ...bearer, 'content-type': 'application/json' };
    const waiting = send('/api/capsules?wait=600000', headers, 'POST', JSON.stringify(node.draft()));
    while (node.followers.size < 2) await settle();
    await api.stop();
    await api.stop();
    await stream.all();
    expect((await waiting).status).toBe(202);
    expect(() => api.url).toThrow(/not listening/);
    expect(clock.pendingTimers).toBe(0);
    await api.start();
    expect((await send('/healthz')).status).toBe(200);
  });

  it.each([
    ['nonsense', 'NONSENSE\r\n\r\n', '400 Bad Request', 'invalid_request'],
    ['endless headers', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, '431 ', 'too_large'],
    ['a request without Host', 'GET / HTTP/1.0\r\n\r\n', '403 Forbidden', 'forbidden_origin'],
    [
      'an empty Host',
      'GET / HTTP/1.1\r\nhost:\r\nconnection: close\r\n\r\n',
      '403 Forbidden',
      'forbidden_origin',
    ],
  ])('answers %s in its own shape', async (_name, text, status, code) => {
    const socket = connect(Number(port()), '127.0.0.1');
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.write(text);
    await new Promise((resolve) => socket.once('close', resolve));
    const [head, body] = Buffer.concat(chunks).toString().split('\r\n\r\n');
    expect(head).toContain(status);
    expect(JSON.parse(body ?? '')).toMatchObject({ code });
  });

  it('refuses an oversized body with an answer', async () => {
    const headers = {
      ...bearer,
      'content-type': 'application/json',
      'content-length': String(3 * 1024 * 1024),
    };
    const answer = await new Promise<number>((resolve, reject) => {
      const sent = request(
        new URL('/api/capsules', api.url),
        { method: 'POST', headers, agent: false },
        (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        },
      );
      sent.on('error', reject);
      sent.flushHeaders();
    });
    expect(answer).toBe(413);
  });
});
