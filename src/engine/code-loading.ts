import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MeshError } from '../lib/errors.ts';
import type { CapabilityModule } from './capability.ts';
import { guardLoads } from './code-guard.ts';
import type { CodeInFolder } from './runners/runner.ts';

const ENTRIES = ['index.js', 'index.ts'];

/**
 * Imports the code of a folder, which runs it; so only as it was read when its hash was taken, and what it imports later
 * is held to the same. Throws `integrity_lock` where it has changed since, `config_invalid` where it is no module.
 */
export async function loadCode({ folder, files }: CodeInFolder, codeHash: string): Promise<CapabilityModule> {
  const url = `${pathToFileURL(folder).href}/`;
  const hashes = files.map(([path, hash]) => [pathToFileURL(join(folder, path)).href, hash] as const);
  guardLoads({ url, files: new Map(hashes) });
  const name = ENTRIES.find((entry) => files.some(([path]) => path === entry));
  if (name === undefined) throw invalid(`${folder} has neither ${ENTRIES.join(' nor ')}`);
  const entry = join(folder, name);
  const address = pathToFileURL(entry);
  // Modules are cached by their address: other code must not be answered with what was imported before.
  address.searchParams.set('code', codeHash);
  const loaded: unknown = await import(address.href).catch((error: unknown) => {
    if (error instanceof MeshError && error.code === 'integrity_lock') throw error;
    throw invalid(`${entry} cannot be loaded`, error);
  });
  if (isCapabilityModule(loaded)) return loaded;
  throw invalid(`${entry} does not export a function "run"`);
}

function isCapabilityModule(value: unknown): value is CapabilityModule {
  if (typeof value !== 'object' || value === null) return false;
  if (!('run' in value) || typeof value.run !== 'function') return false;
  return !('probe' in value) || typeof value.probe === 'function';
}

function invalid(problem: string, cause?: unknown): MeshError {
  return new MeshError('config_invalid', `The capability is unusable: ${problem}.`, undefined, { cause });
}
