import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, describe, expect, it } from 'vitest';
import { launchChromium, makeFolderOnce, whyNoChromium } from '../support/chromium.ts';

const missing = whyNoChromium();

describe('Chromium for tests', () => {
  it.each([
    { on: 'macOS', platform: 'darwin', arch: 'arm64', reason: /darwin on arm64/ },
    { on: 'Linux on ARM', platform: 'linux', arch: 'arm64', reason: /linux on arm64/ },
  ] as const)('is said to be missing on $on, unless one is named', ({ platform, arch, reason }) => {
    expect(whyNoChromium({ platform, arch, env: {} })).toMatch(reason);
    expect(whyNoChromium({ platform, arch, env: { CHROMIUM_PATH: '/usr/bin/chromium' } })).toBeNull();
  });
});

describe.skipIf(missing !== null)('the Chromium of the package', () => {
  let browser: Browser | undefined;
  afterAll(() => browser?.close());

  it('has a font', async () => {
    browser = await launchChromium();
    const page = await browser.newPage();
    await page.setContent('<span>iiii</span><span>WWWW</span>');
    const [narrow = 0, wide = 0] = await page
      .locator('span')
      .evaluateAll((spans) => spans.map((span) => span.getBoundingClientRect().width));
    expect(narrow).toBeGreaterThan(0);
    expect(wide).toBeGreaterThan(narrow);
  });
});

describe('a folder that is made once', () => {
  it('is made whole by the first of several, and what the others made is gone', async () => {
    const parent = await mkdtemp(join(tmpdir(), 'once-'));
    const folder = join(parent, 'made');
    const allBegun = Promise.withResolvers<void>();
    let begun = 0;
    const make = (name: string) =>
      makeFolderOnce(folder, async (own) => {
        await writeFile(join(own, 'first'), name);
        if (++begun === 3) allBegun.resolve();
        await allBegun.promise;
        await writeFile(join(own, 'second'), name);
      });
    const seen = allBegun.promise.then(() => readdir(parent));
    await Promise.all(['a', 'b', 'c'].map(make));
    expect(await seen).not.toContain('made');
    expect(await readdir(parent)).toEqual(['made']);
    expect(await readFile(join(folder, 'second'), 'utf8')).toBe(
      await readFile(join(folder, 'first'), 'utf8'),
    );
  });

  it('is left out when what fills it fails, and made the next time', async () => {
    const parent = await mkdtemp(join(tmpdir(), 'once-'));
    const folder = join(parent, 'made');
    await expect(makeFolderOnce(folder, () => Promise.reject(new Error('disk full')))).rejects.toThrow(
      'disk full',
    );
    expect(await readdir(parent)).toEqual([]);
    await makeFolderOnce(folder, (own) => writeFile(join(own, 'file'), ''));
    expect(await readdir(folder)).toEqual(['file']);
  });
});
