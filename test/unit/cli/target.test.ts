import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadOrCreateToken, writeApiAddress } from '../../../src/daemon/token-file.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { inProcess } from '../../support/cli.ts';

let folder: string;
let local: string;
let server: Server;
let url: string;
let received: (string | undefined)[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'capsule-target-'));
  local = await loadOrCreateToken(folder, nodeCrypto);
  received = [];
  server = createServer((request, response) => {
    received.push(request.headers.authorization);
    response.setHeader('content-type', 'application/json').end('{"items":[]}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});
const run = (args: string[], env: Record<string, string> = {}) =>
  inProcess(args, { env: { CAPSULE_DATA: folder, ...env } });

describe('the token of the data directory', () => {
  it('goes to the node of the data directory', async () => {
    await writeApiAddress(folder, { url, pid: 1 });
    expect((await run(['peers'])).code).toBe(0);
    expect(received).toEqual([`Bearer ${local}`]);
  });

  it('never goes to an address that was given', async () => {
    // Not even where the two are the same: whoever gives an address may be told one.
    await writeApiAddress(folder, { url, pid: 1 });
    await run(['peers', '--api-url', url]);
    await run(['peers'], { CAPSULE_API_URL: url });
    expect(received).toEqual([undefined, undefined]);
  });
});

describe('CAPSULE_API_TOKEN', () => {
  const env = { CAPSULE_API_TOKEN: 'capsule_x' };

  it('goes to an address that was given, on this machine', async () => {
    await run(['peers', '--api-url', url], env);
    expect(received).toEqual(['Bearer capsule_x']);
  });

  it.each([
    'http://mesh.example:4480',
    'http://192.168.1.2:4480',
    'http://127.0.0.1.evil.example',
    'http://localhost.evil.example',
    'HTTP://mesh.example',
    'http://[2001:db8::1]:4480',
  ])('does not cross the network in plain text to %s', async (address) => {
    const ran = await run(['peers', '--api-url', address], env);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(/(would cross the network|not an address)/);
  });

  it('does where that is asked for, or where there is no token', async () => {
    // A name that leads nowhere: what counts is that it was tried.
    const address = 'http://mesh.invalid:4480';
    expect((await run(['peers', '--api-url', address, '--plain-http'], env)).code).toBe(3);
    expect((await run(['peers', '--api-url', address])).code).toBe(3);
  });

  it('is not asked for in the address', async () => {
    const ran = await run(['peers', '--api-url', url.replace('//', '//user:secret@')], env);
    expect(ran).toMatchObject({ code: 2, stderr: expect.stringContaining('CAPSULE_API_TOKEN') });
  });
});
