import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Api, createApi } from '../../src/api/api.ts';
import type { MeshClient } from '../../src/client/index.ts';
import { memoryNode, TOKEN } from '../support/api-components.ts';
import { launchChromium, whyNoChromium } from '../support/chromium.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const ENTRY = fileURLToPath(new URL('../../src/client/index.ts', import.meta.url));

/** What the library's script leaves in a page, and what is used of the page. */
declare const mesh: { MeshClient: typeof MeshClient };
declare const document: { title: string };
declare const location: { origin: string };

let node: ReturnType<typeof memoryNode>;
let api: Api;
let browser: Browser;
let page: Page;

const missing = whyNoChromium();
if (missing !== null) process.stdout.write(`- the client library in a browser: skipped, ${missing}\n`);

beforeAll(async () => {
  if (missing !== null) return;
  node = memoryNode(new VirtualClock(Date.now()));
  api = createApi(node.components, node.init);
  await api.start();
  const bundle = await rolldown({ input: ENTRY, platform: 'browser' });
  const { output } = await bundle.generate({ format: 'iife', name: 'mesh' });
  await bundle.close();
  browser = await launchChromium();
  // The node's own page: no other origin may call it. Its policy lets no other script in.
  page = await (await browser.newContext({ bypassCSP: true })).newPage();
  await page.goto(api.url);
  await page.addScriptTag({ content: output[0].code });
});

afterAll(async () => {
  await browser?.close();
  await api?.stop();
});

it.skipIf(missing !== null)(
  'submits, and follows a capsule through a restart of the node, in Chromium',
  async () => {
    const work = page.evaluate(
      async ({ token, body }) => {
        const client = new mesh.MeshClient({ url: location.origin, token });
        const { id } = await client.request('POST /api/capsules', { body });
        const seen: string[] = [];
        for await (const event of client.follow({ id })) {
          seen.push(event.type);
          document.title = `${String(seen.length)} ${id}`;
        }
        const { result } = await client.request('GET /api/capsules/:id', { params: { id } });
        return { seen, result };
      },
      { token: TOKEN, body: node.draft('x') },
    );
    await page.waitForFunction(() => document.title.startsWith('1 '));
    const id = (await page.title()).slice(2);
    const { port } = new URL(api.url);
    await api.stop();
    api = createApi(node.components, { ...node.init, port: Number(port) });
    await api.start();
    node.emit({ type: 'progress', epoch: 1, capsuleId: id, stage: 'one' });
    node.end(id, { text: 'done' });
    expect(await work).toEqual({ seen: ['status', 'progress', 'done'], result: { text: 'done' } });
  },
);

it.skipIf(missing !== null)('rejects with the code of the node', async () => {
  const code = await page.evaluate(async () => {
    const client = new mesh.MeshClient({ url: location.origin, token: 'none' });
    const failed = await client.request('GET /api/node').catch((error: unknown) => error);
    return failed instanceof Error && 'code' in failed ? failed.code : 'no error with a code';
  });
  expect(code).toBe('unauthorized');
});
