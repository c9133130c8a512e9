import { access, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { wasmOf } from '../engine/runners/wasm/wasm-of.ts';
import { MeshError } from '../lib/errors.ts';

/** Beside `src/`, in the sources and in the built package alike. */
const BUILT_IN = fileURLToPath(new URL('../../capabilities', import.meta.url));

export interface CapabilityFolder {
  /** The folder's name, which is the module's. */
  name: string;
  folder: string;
  builtIn: boolean;
  /** Whether its code is a module in WebAssembly. */
  wasm: boolean;
}

/** The built-in module that runs modules of orders. */
const WASM_RUN = 'wasm';

/** Whether it runs in threads for WebAssembly. */
export function isWasm({ name, builtIn, wasm }: CapabilityFolder): boolean {
  return wasm || (builtIn && name === WASM_RUN);
}

/**
 * Folders of the modules to load: built-in ones, and those in the operator's folders, each of which is a module
 * itself (it has a manifest) or holds modules. Throws `config_invalid` for a folder that cannot be read and for an
 * enabled module that is nowhere.
 */
export async function findCapabilities(options: {
  enabled: '*' | readonly string[];
  folders: readonly string[];
}): Promise<CapabilityFolder[]> {
  const found = await modulesIn(BUILT_IN, true);
  for (const folder of options.folders) {
    const path = resolve(folder);
    found.push(
      ...((await hasManifest(path))
        ? [await moduleIn(path, nameOf(path), false)]
        : await modulesIn(path, false)),
    );
  }
  if (options.enabled === '*') return found;
  const names = new Set(found.map(({ name }) => name));
  const missing = options.enabled.find((name) => !names.has(name));
  if (missing !== undefined) {
    throw new MeshError('config_invalid', `There is no capability module "${missing}".`, {
      path: 'capabilities.enabled',
      found: missing,
      allowed: [...names],
    });
  }
  return found.filter(({ name }) => options.enabled.includes(name));
}

async function modulesIn(folder: string, builtIn: boolean): Promise<CapabilityFolder[]> {
  const modules: CapabilityFolder[] = [];
  for (const name of (await entriesOf(folder)).sort()) {
    const path = join(folder, name);
    if (await hasManifest(path)) modules.push(await moduleIn(path, name, builtIn));
  }
  return modules;
}

async function moduleIn(folder: string, name: string, builtIn: boolean): Promise<CapabilityFolder> {
  const files = builtIn ? [] : await readdir(folder).catch(() => []);
  return { name, folder, builtIn, wasm: wasmOf(files) !== undefined };
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    const detail = { path: 'capabilities.folders', found: folder };
    throw new MeshError('config_invalid', `The capability folder ${folder} cannot be read.`, detail, {
      cause,
    });
  }
}

async function hasManifest(folder: string): Promise<boolean> {
  try {
    await access(join(folder, 'manifest.json'));
    return true;
  } catch {
    return false;
  }
}

function nameOf(folder: string): string {
  return folder.split(/[\\/]/).at(-1) ?? folder;
}
