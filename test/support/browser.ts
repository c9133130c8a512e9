import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { rolldown } from 'rolldown';
import { launchChromium } from './chromium.ts';

const ENTRY = fileURLToPath(new URL('../../src/archive/index.ts', import.meta.url));
/** A secure origin, where there is WebCrypto; nothing is served, the route answers. */
const ORIGIN = 'https://capsule.test/';

/** The archive library's portable entry as one script, as any page would load it; and what it imports that no browser has. */
export async function archiveBundle(): Promise<{ code: string; foreign: string[] }> {
  const foreign: string[] = [];
  const bundle = await rolldown({
    input: ENTRY,
    platform: 'browser',
    treeshake: false,
    external: (id) => {
      if (id.startsWith('node:')) foreign.push(id);
      return id.startsWith('node:');
    },
  });
  const { output } = await bundle.generate({ format: 'iife', name: 'capsule' });
  await bundle.close();
  return { code: output[0].code, foreign: [...foreign, ...output[0].imports] };
}

/** A page with the library as its global `capsule`; `complaints` gets every error of the page. */
export async function openArchivePage(): Promise<{ browser: Browser; page: Page; complaints: string[] }> {
  const { code } = await archiveBundle();
  const browser = await launchChromium();
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => void (message.type() === 'error' && complaints.push(message.text())));
  await page.route(ORIGIN, (route) =>
    route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>capsule</title>' }),
  );
  await page.goto(ORIGIN);
  await page.addScriptTag({ content: code });
  return { browser, page, complaints };
}
