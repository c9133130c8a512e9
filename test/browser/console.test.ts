import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Api, createApi } from '../../src/api/api.ts';
import { memoryNode } from '../support/api-components.ts';
import { launchChromium, whyNoChromium } from '../support/chromium.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

let browser: Browser;
const missing = whyNoChromium();
if (missing !== null) process.stdout.write(`- the console page in a browser: skipped, ${missing}\n`);
beforeAll(async () => {
  if (missing === null) browser = await launchChromium();
});
afterAll(() => browser?.close());

let api: Api;
let page: Page;
let complaints: string[];
beforeEach(async () => {
  const { components, init } = memoryNode(new VirtualClock());
  api = createApi(components, init);
  await api.start();
  page = await (await browser.newContext()).newPage();
  complaints = [];
  page.on('console', (message) => void (message.type() === 'error' && complaints.push(message.text())));
  page.on('pageerror', ({ message }) => complaints.push(message));
});
afterEach(async () => {
  await page.context().close();
  await api.stop();
});

/** In the page, as what got into it would: what makes text run, or changes how the page looks. In a task of its own, since what a debugger evaluates is exempt. */
const ATTEMPTS = `new Promise((resolve) => setTimeout(() => {
  const attempts = {
    eval: () => globalThis.eval('1'),
    function: () => new Function('1'),
    markup: () => { document.body.innerHTML = '<img src=x onerror=alert(1)>'; },
    script: () => { document.createElement('script').text = 'document.title = "ran"'; },
    address: () => { document.createElement('script').src = 'https://elsewhere.example/x.js'; },
    policy: () => trustedTypes.createPolicy('mine', { createHTML: (text) => text }),
    handler: () => {
      const link = document.createElement('a');
      link.setAttribute('onclick', 'document.title = "ran"');
      document.body.append(link);
      link.click();
      if (document.title !== 'ran') throw new Error('It did not run');
    },
  };
  const done = Object.keys(attempts).filter((name) => {
    try {
      attempts[name]();
      return true;
    } catch {
      return false;
    }
  });
  const style = document.createElement('style');
  style.textContent = 'main { color: rgb(1, 2, 3) }';
  document.head.append(style);
  resolve({ done, title: document.title, colour: getComputedStyle(document.querySelector('main')).color });
}))`;

describe.skipIf(missing !== null)('the console page in a browser', () => {
  it('opens with its address once, keeps its token for the tab, and shows what comes from elsewhere as text', async () => {
    const address = api.consoleUrl();
    await page.goto(address);
    await page.getByText('This capsule node is running').waitFor();
    expect(await page.locator('main').innerText()).toContain('<script>alert(1)</script>');
    expect(new URL(page.url()).hash).toBe('');
    await page.reload();
    await page.getByText('This capsule node is running').waitFor();
    expect(complaints).toEqual([]);

    const other = await (await browser.newContext()).newPage();
    await other.goto(address);
    await other.getByText('This address was used already, or is too old.').waitFor();
    await other.context().close();
  });

  it('runs no script but the files of its node', async () => {
    await page.goto(api.consoleUrl());
    await page.getByText('This capsule node is running').waitFor();
    expect(await page.evaluate(ATTEMPTS)).toEqual({
      done: [],
      title: 'capsule',
      colour: expect.not.stringContaining('rgb(1, 2, 3)'),
    });
  });
});
