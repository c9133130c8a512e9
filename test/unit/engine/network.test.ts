import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { errorOf, request, resultOf, startedEngine, testModule } from '../../support/engine.ts';

let server: Server;
let port: number;
let handler: (request: IncomingMessage, response: ServerResponse) => void;
const seen: { url: string; method: string; headers: IncomingMessage['headers'] }[] = [];

beforeAll(async () => {
  server = createServer((incoming, response) => {
    seen.push({ url: incoming.url ?? '', method: incoming.method ?? '', headers: incoming.headers });
    handler(incoming, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));
beforeEach(() => {
  seen.length = 0;
  handler = (incoming, response) => incoming.pipe(response);
});

type Init = { method?: string; headers?: Record<string, string>; body?: string };

/** One intent that fetches `url` under these permissions. */
async function fetching(
  url: string,
  options: {
    permissions?: string[];
    init?: Init;
    fetch?: typeof fetch;
    timeoutMs?: number;
  } = {},
) {
  const permissions = options.permissions ?? [`network:127.0.0.1:${port}`];
  const module = testModule(async (_intent, api) => api.network.fetch(url, options.init), { permissions });
  const { engine } = await startedEngine(
    { modules: [module] },
    options.fetch ? { fetch: options.fetch } : {},
  );
  return engine.handleIntent(request('unit.run'));
}

const here = (path: string): string => `http://127.0.0.1:${port}${path}`;
const redirectTo = (location: string, status = 302) => {
  handler = (incoming, response) => {
    if (incoming.url === '/start') response.writeHead(status, { location }).end('moved');
    else incoming.pipe(response);
  };
};

describe('network', () => {
  it('fetches from a listed host and records it', async () => {
    const init = { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'hellö' };
    const outcome = await fetching(here('/hook'), { init });
    expect(resultOf(outcome)).toEqual({ status: 200, body: 'hellö' });
    expect(outcome.receipt.permissionsUsed).toEqual([`network:127.0.0.1:${port}`]);
    expect(seen[0]).toMatchObject({
      url: '/hook',
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
    });
  });

  const answers: typeof fetch = async (input) => new Response(String(input));
  it.each([
    ['the host on the port of https', 'https://example.org/a', ['network:example.org'], true],
    ['the host on the port of http', 'http://EXAMPLE.org/a', ['network:example.org'], true],
    ['the port of the scheme, named', 'https://example.org/', ['network:example.org:443'], true],
    ['another port than listed', 'https://example.org:8443/', ['network:example.org'], false],
    ['another port than named', 'https://example.org/', ['network:example.org:8443'], false],
    ['another host', 'https://example.com/', ['network:example.org'], false],
    ['a subdomain', 'https://a.example.org/', ['network:example.org'], false],
    ['an address in place of a name', 'http://2130706433/', ['network:localhost'], false],
    ['any host by the permission for webhooks', 'https://example.org/', ['network:config'], false],
  ])('decides about %s', async (_name, url, permissions, allowed) => {
    const outcome = await fetching(url, { permissions, fetch: answers });
    if (allowed) expect(resultOf(outcome)).toMatchObject({ status: 200 });
    else expect(errorOf(outcome).code).toBe('permission_denied');
    expect(outcome.receipt.permissionsUsed[0]?.startsWith('refused:network:')).toBe(!allowed);
  });

  it.each(['file:///etc/passwd', 'ftp://example.org/', 'no url', 'http://user:secret@127.0.0.1/'])(
    'refuses the address %s',
    async (url) => {
      expect(errorOf(await fetching(url)).code).toBe('invalid_payload');
    },
  );

  it('follows a redirect within the list', async () => {
    redirectTo('/end');
    expect(resultOf(await fetching(here('/start')))).toEqual({ status: 200, body: '' });
    expect(seen.map(({ url }) => url)).toEqual(['/start', '/end']);
  });

  it('does not follow a redirect that leaves the list', async () => {
    redirectTo('http://example.org/secret');
    const outcome = await fetching(here('/start'));
    expect(errorOf(outcome).code).toBe('permission_denied');
    expect(outcome.receipt.permissionsUsed).toEqual([
      `network:127.0.0.1:${port}`,
      'refused:network:example.org',
    ]);
  });

  it('goes on as a GET after a POST, and hands no secret to another origin', async () => {
    redirectTo(`http://localhost:${port}/end`);
    const secrets = { authorization: 'Bearer secret', Cookie: 'a=1', 'proxy-authorization': 'Basic x' };
    const headers = { ...secrets, 'content-type': 'text/plain', 'x-trace': '1' };
    const permissions = [`network:127.0.0.1:${port}`, `network:localhost:${port}`];
    await fetching(here('/start'), { permissions, init: { method: 'POST', headers, body: 'x' } });
    expect(seen[1]).toMatchObject({ method: 'GET', headers: { 'x-trace': '1' } });
    expect(seen[0]?.headers).toMatchObject({ authorization: 'Bearer secret', cookie: 'a=1' });
    for (const name of ['authorization', 'cookie', 'proxy-authorization', 'content-type'])
      expect(seen[1]?.headers[name], name).toBeUndefined();
  });

  it('keeps method and body where the status says so', async () => {
    redirectTo('/end', 307);
    expect(resultOf(await fetching(here('/start'), { init: { method: 'POST', body: 'again' } }))).toEqual({
      status: 200,
      body: 'again',
    });
  });

  it('gives up on redirects without end', async () => {
    handler = (_incoming, response) => response.writeHead(302, { location: '/again' }).end();
    expect(errorOf(await fetching(here('/again'))).code).toBe('unreachable');
    expect(seen).toHaveLength(6);
  });

  it('cuts the body at 1 MiB', async () => {
    handler = (_incoming, response) => response.end('x'.repeat(3_000_000));
    const module = testModule(async (_intent, api) => (await api.network.fetch(here('/'))).body.length, {
      permissions: [`network:127.0.0.1:${port}`],
    });
    const { engine } = await startedEngine({ modules: [module] });
    expect(resultOf(await engine.handleIntent(request('unit.run')))).toBe(1_048_576);
  });

  it('refuses a body over 1 MiB', async () => {
    const init = { method: 'POST', body: 'x'.repeat(1_048_577) };
    expect(errorOf(await fetching(here('/'), { init })).code).toBe('too_large');
  });

  it('says unreachable when nobody answers or the connection breaks', async () => {
    handler = (_incoming, response) => {
      response.writeHead(200, { 'content-length': '10' }).write('half');
      setImmediate(() => response.destroy());
    };
    expect(errorOf(await fetching(here('/')))).toEqual({
      code: 'unreachable',
      message: `127.0.0.1:${port} could not be reached.`,
    });
    const refusing: typeof fetch = () => Promise.reject(new TypeError('fetch failed'));
    expect(errorOf(await fetching(here('/'), { fetch: refusing })).code).toBe('unreachable');
  });

  it('hangs up when the intent is cancelled', async () => {
    const reached = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    handler = (_incoming, response) => {
      response.once('close', gone.resolve);
      reached.resolve();
    };
    const module = testModule(async (_intent, api) => api.network.fetch(here('/')), {
      permissions: [`network:127.0.0.1:${port}`],
    });
    const { engine } = await startedEngine({ modules: [module] });
    const controller = new AbortController();
    const pending = engine.handleIntent(request('unit.run'), { signal: controller.signal });
    await reached.promise;
    controller.abort();
    expect(errorOf(await pending).code).toBe('cancelled');
    await gone.promise;
  });
});

describe('webhooks', () => {
  async function calling(name: string, permissions = ['network:config'], url = here('/secret')) {
    const headers = { authorization: 'Bearer the operator', 'x-own': 'a' };
    const webhooks = new Map([['team', { url, headers }]]);
    const init = { headers: { Authorization: 'Bearer the caller', 'x-more': 'b' }, body: 'hi' };
    const module = testModule(async (_intent, api) => api.network.webhook(name, init), { permissions });
    const { engine } = await startedEngine({ modules: [module], webhooks });
    return engine.handleIntent(request('unit.run'));
  }

  it('posts to the one that the operator gave the name, with the headers of the operator', async () => {
    const outcome = await calling('team');
    expect(resultOf(outcome)).toEqual({ status: 200, body: 'hi' });
    expect(outcome.receipt.permissionsUsed).toEqual(['network:config']);
    expect(seen).toMatchObject([
      {
        url: '/secret',
        method: 'POST',
        headers: { authorization: 'Bearer the operator', 'x-own': 'a', 'x-more': 'b' },
      },
    ]);
  });

  it.each(['constructor', 'TEAM', 'http://127.0.0.1/'])('knows no other (%s)', async (name) => {
    expect(errorOf(await calling(name)).code).toBe('not_found');
    expect(seen).toEqual([]);
  });

  it('needs the permission', async () => {
    const outcome = await calling('team', [`network:127.0.0.1:${port}`]);
    expect(errorOf(outcome).code).toBe('permission_denied');
    expect(outcome.receipt.permissionsUsed).toEqual(['refused:network:config']);
  });

  it('follows no redirect, and tells nobody its address', async () => {
    handler = (_incoming, response) => response.writeHead(307, { location: '/elsewhere' }).end();
    expect(resultOf(await calling('team'))).toEqual({ status: 307, body: '' });
    expect(seen).toHaveLength(1);
    handler = (_incoming, response) => response.destroy();
    expect(errorOf(await calling('team'))).toEqual({
      code: 'unreachable',
      message: 'The webhook team could not be reached.',
    });
  });
});
