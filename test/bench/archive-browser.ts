import { openArchivePage } from '../support/browser.ts';

/** What the library's script leaves behind in the page; only there. */
declare const capsule: typeof import('../../src/archive/index.ts');

/**
 * Runs `measure` with a function that verifies `archive` so many times in Chromium and gives the milliseconds of one,
 * by the browser's own clock: what it takes to get the bytes there does not count.
 */
export async function withArchiveInBrowser<T>(
  archive: Uint8Array,
  measure: (verifyInBrowser: (times: number) => Promise<number>) => Promise<T>,
): Promise<T> {
  const { browser, page } = await openArchivePage();
  try {
    const handle = await page.evaluateHandle(
      (base64) => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)),
      Buffer.from(archive).toString('base64'),
    );
    return await measure((times) =>
      page.evaluate(
        async ({ bytes, count }) => {
          const begun = performance.now();
          for (let index = 0; index < count; index++) {
            const { ok } = await capsule.verifyArchive({ crypto: capsule.platformCrypto }, bytes);
            if (!ok) throw new Error('It does not verify.');
          }
          return (performance.now() - begun) / count;
        },
        { bytes: handle, count: times },
      ),
    );
  } finally {
    await browser.close();
  }
}
