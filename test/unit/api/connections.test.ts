import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Api, createApi } from '../../../src/api/api.ts';
import { refuseConnection } from '../../../src/api/errors.ts';
import { memoryNode, TOKEN } from '../../support/api-components.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

let api: Api;
let sockets: Socket[];
beforeEach(async () => {
  const node = memoryNode(new VirtualClock());
  api = createApi(node.components, node.init);
  await api.start();
  sockets = [];
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await api.stop();
});

const bearer = { authorization: `Bearer ${TOKEN}` };
const port = () => Number(new URL(api.url).port);

function status(
  path: string,
  headers: Record<string, string>,
  agent: Agent | false = false,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(new URL(path, api.url), { headers, agent }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
    });
    asked.once('error', reject);
    asked.end();
  });
}

/** So many connections that each sent this. */
async function flood(count: number, text: string): Promise<void> {
  const open = async () => {
    const socket = connect(port(), '127.0.0.1');
    sockets.push(socket);
    // Those that make room for others are reset.
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write(text);
  };
  await Promise.all(Array.from({ length: count }, open));
}

describe('connections without a token', () => {
  it('that sent half a request keep nobody out', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    expect(await status('/api/node', bearer, agent)).toBe(200);
    await flood(600, 'GET /healthz HTTP/1.1\r\nhost: 127');
    expect(await status('/api/node', bearer)).toBe(200);
    // One that had shown its token is still the same.
    const [held] = Object.values(agent.freeSockets).flat();
    expect(held?.destroyed).toBe(false);
    expect(await status('/api/node', bearer, agent)).toBe(200);
    agent.destroy();
  });

  it('that are busy with what is open to all keep nobody out', async () => {
    const asked = `GET /healthz HTTP/1.1\r\nhost: 127.0.0.1:${port()}\r\n\r\n`;
    await flood(520, asked);
    for (const socket of sockets) socket.on('data', () => socket.writable && socket.write(asked));
    for (let each = 0; each < 5; each++) expect(await status('/api/node', bearer)).toBe(200);
    expect(await status('/healthz', {})).toBe(200);
  });

  it('with a wrong token are such too', async () => {
    const wrong = `GET /api/node HTTP/1.1\r\nhost: 127.0.0.1:${port()}\r\nauthorization: Bearer no\r\n\r\n`;
    await flood(600, wrong);
    expect(await status('/api/node', bearer)).toBe(200);
  });
});

it.each([
  ['ERR_HTTP_REQUEST_TIMEOUT', '408 Request Timeout', 'timeout'],
  ['HPE_HEADER_OVERFLOW', '431 Request Header Fields Too Large', 'too_large'],
  ['HPE_INVALID_METHOD', '400 Bad Request', 'invalid_request'],
])('%s is answered as %s', async (reason, line, code) => {
  const socket = new PassThrough();
  const chunks: string[] = [];
  socket.on('data', (chunk) => chunks.push(String(chunk)));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  refuseConnection({ code: reason }, socket);
  await closed;
  expect(chunks.join('')).toContain(`HTTP/1.1 ${line}`);
  expect(chunks.join('')).toContain(`"code":"${code}"`);
});
