import { access, readdir, readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import type { Crypto } from '../lib/crypto.ts';
import { MeshError, reasonOf } from '../lib/errors.ts';
import { parseJson } from '../lib/json.ts';
import { decodeText } from '../lib/local-text.ts';
import type { CapabilityModule } from './capability.ts';

/** Files a capability's folder may hold: more is a mistake, such as a data directory put there. */
const MAX_FILES = 1_000;
/** What the code does not depend on: written by the build beside it. */
const NOT_CODE = /\.(map|d\.ts|tsbuildinfo)$/;
const MAX_MANIFEST_BYTES = 1_048_576;
const ENTRIES = ['index.js', 'index.ts'];

/** The value in `manifest.json` of a capability's folder, not validated yet. Throws `config_invalid` naming the file. */
export async function readManifest(folder: string): Promise<unknown> {
  const file = join(folder, 'manifest.json');
  return readFile(file)
    .then((bytes) => decodeText(bytes, 'The file', 'config_invalid').text)
    .then((text) => parseJson(text, { maxBytes: MAX_MANIFEST_BYTES, maxDepth: LIMITS.jsonDepth }))
    .catch((error: unknown) => {
      const reason = error instanceof MeshError ? error.message.replace(/\.$/, '') : reasonOf(error);
      throw invalid(`${file} cannot be read: ${reason}`, error);
    });
}

/**
 * SHA-256 over the sorted list of `[relative path, SHA-256 of the content]` of every file of the folder. What the
 * code imports from elsewhere is the node itself and not covered.
 */
export async function hashFolder(folder: string, crypto: Crypto): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory() && !NOT_CODE.test(entry.name));
  if (files.length > MAX_FILES) throw invalid(`${folder} holds more than ${MAX_FILES} files`);
  const listed = await Promise.all(
    files.map(async (entry) => {
      const path = join(entry.parentPath, entry.name);
      const relative = path.slice(folder.length).split(sep).filter(Boolean).join('/');
      return [relative, crypto.sha256Hex(await readFile(path))] as const;
    }),
  );
  listed.sort(([a], [b]) => (a < b ? -1 : 1));
  return crypto.sha256Hex(JSON.stringify(listed));
}

/**
 * Imports the code of a folder, which runs it; so only with the hash that was accepted. Throws `integrity_lock` where
 * the folder has changed since it was read.
 */
export async function importFolder(
  folder: string,
  codeHash: string,
  crypto: Crypto,
): Promise<CapabilityModule> {
  if ((await hashFolder(folder, crypto)) !== codeHash) {
    throw new MeshError('integrity_lock', `The code in ${folder} has changed since the node started.`);
  }
  const entry = await findEntry(folder);
  const url = pathToFileURL(entry);
  // Modules are cached by their address: other code must not be answered with what was imported before.
  url.searchParams.set('code', codeHash);
  const loaded: unknown = await import(url.href).catch((error: unknown) => {
    throw invalid(`${entry} cannot be loaded`, error);
  });
  if (isCapabilityModule(loaded)) return loaded;
  throw invalid(`${entry} does not export a function "run"`);
}

async function findEntry(folder: string): Promise<string> {
  for (const name of ENTRIES) {
    const path = join(folder, name);
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  throw invalid(`${folder} has neither ${ENTRIES.join(' nor ')}`);
}

function isCapabilityModule(value: unknown): value is CapabilityModule {
  if (typeof value !== 'object' || value === null) return false;
  if (!('run' in value) || typeof value.run !== 'function') return false;
  return !('probe' in value) || typeof value.probe === 'function';
}

function invalid(problem: string, cause?: unknown): MeshError {
  return new MeshError('config_invalid', `The capability is unusable: ${problem}.`, undefined, { cause });
}
