import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Browser, chromium, type LaunchOptions } from 'playwright-core';

/** Unpacked inside the package, so that it goes when another version is installed. */
const UNPACKED = fileURLToPath(new URL('../.unpacked', import.meta.resolve('@sparticuz/chromium')));
const UNPACK = fileURLToPath(new URL('unpack-chromium.ts', import.meta.url));

/** Why there is no Chromium to test with; null where there is one. */
export function whyNoChromium({
  platform,
  arch,
  env,
}: Pick<NodeJS.Process, 'platform' | 'arch' | 'env'> = process): string | null {
  if (env.CHROMIUM_PATH) return null;
  if (platform !== 'linux' || arch !== 'x64')
    return `@sparticuz/chromium is for Linux on x64, this is ${platform} on ${arch}; CHROMIUM_PATH names another Chromium`;
  if (!usesGlibc())
    return '@sparticuz/chromium needs glibc, which this Linux is without; CHROMIUM_PATH names another Chromium';
  return null;
}

/** Starts the Chromium that `CHROMIUM_PATH` names, else that of `@sparticuz/chromium`, which needs no package of the system. */
export async function launchChromium(): Promise<Browser> {
  const reason = whyNoChromium();
  if (reason !== null) throw new Error(reason);
  const named = process.env.CHROMIUM_PATH;
  const found = named ? { executablePath: named } : await unpacked();
  // Containers often have no sandbox to give, and the pages run nothing but our own code.
  return chromium.launch({ ...found, chromiumSandbox: false });
}

async function unpacked(): Promise<LaunchOptions> {
  await makeFolderOnce(UNPACKED, async (folder) => {
    await promisify(execFile)(process.execPath, [UNPACK], { env: { ...process.env, TMPDIR: folder } });
    await writeFile(join(folder, 'fonts.conf'), fontConfiguration());
  });
  const libraries = [join(UNPACKED, 'al2023', 'lib'), process.env.LD_LIBRARY_PATH].filter(Boolean);
  return {
    executablePath: join(UNPACKED, 'chromium'),
    env: {
      ...process.env,
      LD_LIBRARY_PATH: libraries.join(':'),
      FONTCONFIG_FILE: join(UNPACKED, 'fonts.conf'),
    },
  };
}

/** The package's own fonts and no others: a page looks alike on every machine. The configuration that it brings is for Lambda's paths. */
function fontConfiguration(): string {
  const path = (name: string) =>
    join(UNPACKED, name).replace(/[&<]/g, (char) => `&#${String(char.charCodeAt(0))};`);
  return `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>${path('fonts')}</dir><cachedir>${path('font-cache')}</cachedir></fontconfig>
`;
}

/**
 * Has `fill` fill `folder` unless it is there. Several processes may do so at once: each fills a folder of its own beside
 * it, and the first that is done gives it the name; nobody sees half of one.
 */
export async function makeFolderOnce(folder: string, fill: (folder: string) => Promise<void>): Promise<void> {
  if (existsSync(folder)) return;
  const own = await mkdtemp(join(dirname(folder), `${basename(folder)}-`));
  try {
    await fill(own);
    // A folder that has something in it is never replaced.
    await rename(own, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}

function usesGlibc(): boolean {
  const report: unknown = process.report.getReport();
  if (typeof report !== 'object' || report === null || !('header' in report)) return false;
  const { header } = report;
  return typeof header === 'object' && header !== null && 'glibcVersionRuntime' in header;
}
