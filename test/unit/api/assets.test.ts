import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Api, createApi } from '../../../src/api/api.ts';
import { readAssets } from '../../../src/api/assets.ts';
import { memoryNode } from '../../support/api-components.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const APP = 'console.log("app");'.repeat(100);
let above: string;
let folder: string;
let api: Api;
beforeEach(async () => {
  above = await mkdtemp(join(tmpdir(), 'assets-'));
  folder = join(above, 'console');
  await put('index.html', '<!doctype html><title>console</title>');
  await put('assets/app-3f9c2a71.js', APP);
  await put('assets/app-3f9c2a71.js.br', brotliCompressSync(APP));
  await put('assets/app-3f9c2a71.js.gz', gzipSync(APP));
  await put('icon.svg', '<svg xmlns="http://www.w3.org/2000/svg"/>');
  await put('../secret.js', 'secret');
  const { components, init } = memoryNode(new VirtualClock());
  api = createApi(components, { ...init, assets: folder });
});
afterEach(async () => {
  await api.stop();
  await rm(above, { recursive: true });
});

async function put(path: string, content: string | Buffer): Promise<void> {
  const file = join(folder, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
}

/** The path goes out as it is written here. */
function get(path: string, headers: Record<string, string> = {}, method = 'GET') {
  const { hostname, port } = new URL(api.url);
  return new Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }>(
    (resolve, reject) => {
      const sent = request({ hostname, port, path, method, headers, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
          }),
        );
      });
      sent.on('error', reject);
      sent.end();
    },
  );
}

describe('files for browsers', () => {
  it('are served with their types; what has a hash in its name is kept, the rest is asked for again', async () => {
    await api.start();
    const page = await get('/');
    expect(page.body.toString()).toContain('console');
    expect(page.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
    });
    expect((await get('/icon.svg')).headers['content-type']).toBe('image/svg+xml');
    const app = await get('/assets/app-3f9c2a71.js?from=cache');
    expect(app.body.toString()).toBe(APP);
    expect(app.headers).toMatchObject({
      'content-type': 'text/javascript; charset=utf-8',
      'cache-control': 'public, max-age=31536000, immutable',
      vary: 'accept-encoding',
    });
  });

  it('come compressed to whoever reads that', async () => {
    await api.start();
    const encodingOf = async (accept: string) => {
      const { headers, body } = await get('/assets/app-3f9c2a71.js', { 'accept-encoding': accept });
      const encoding = headers['content-encoding'];
      const text =
        encoding === 'br' ? brotliDecompressSync(body) : encoding === 'gzip' ? gunzipSync(body) : body;
      expect(text.toString()).toBe(APP);
      return encoding;
    };
    expect(await encodingOf('gzip, deflate, br')).toBe('br');
    expect(await encodingOf('gzip;q=0.8')).toBe('gzip');
    expect(await encodingOf('br;q=0, gzip')).toBe('gzip');
    expect(await encodingOf('deflate, BR;q=0.0')).toBeUndefined();
    const etags = new Set<unknown>();
    for (const accept of ['br', 'gzip', ''])
      etags.add((await get('/assets/app-3f9c2a71.js', { 'accept-encoding': accept })).headers.etag);
    expect(etags.size).toBe(3);
  });

  it('are not sent again to whoever has them, nor to HEAD', async () => {
    await api.start();
    const { headers, body } = await get('/');
    const etag = String(headers.etag);
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`]) {
      const again = await get('/', { 'if-none-match': known });
      expect([again.status, again.body.length, again.headers.etag]).toEqual([304, 0, etag]);
    }
    expect((await get('/', { 'if-none-match': '"other"' })).status).toBe(200);
    const head = await get('/', {}, 'HEAD');
    expect([head.status, head.body.length, head.headers.etag]).toEqual([200, 0, etag]);
    expect(head.headers['content-length']).toBe(String(body.length));
  });

  it.each([
    '/../secret.js',
    '/assets/../../secret.js',
    '/assets/%2e%2e/%2e%2e/secret.js',
    '/assets/..%2f..%2fsecret.js',
    '/assets\\..\\..\\secret.js',
    '/assets/app-3f9c2a71.js.br',
    '/assets/app-3f9c2a71.js/',
    '/assets/',
    '/index.html',
    '/linked.js',
    '/constructor',
  ])('are those of the folder and nothing else: %s', async (path) => {
    await symlink(join(folder, '../secret.js'), join(folder, 'linked.js'));
    await api.start();
    const answer = await get(path);
    expect(answer.status).toBe(401);
    expect(answer.body.toString()).not.toContain('secret');
  });

  it('are bounded, and of kinds that are known', async () => {
    await put('notes.exe', 'x');
    await expect(readAssets(folder)).rejects.toMatchObject({ code: 'internal' });
    await rm(join(folder, 'notes.exe'));
    for (let n = 0; n < 512; n++) await put(`${n}.js`, '');
    await expect(readAssets(folder)).rejects.toMatchObject({ code: 'too_large' });
  });
});
