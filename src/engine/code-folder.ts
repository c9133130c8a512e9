import { statSync } from 'node:fs';
import { readdir, readFile, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import type { Crypto } from '../lib/crypto.ts';
import { MeshError, reasonOf } from '../lib/errors.ts';
import { parseJson } from '../lib/json.ts';
import { decodeText } from '../lib/local-text.ts';
import type { CodeInFolder } from './runners/runner.ts';

/** Files a capability's folder may hold: more is a mistake, such as a data directory put there. */
const MAX_FILES = 1_000;
/** What the code does not depend on: written by the build beside it. */
const NOT_CODE = /\.(map|d\.ts|tsbuildinfo)$/;
const MAX_MANIFEST_BYTES = 1_048_576;

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

/** SHA-256 over all code of a folder; see `CodeFolder`. */
export async function hashFolder(folder: string, crypto: Crypto): Promise<string> {
  return (await CodeFolder.read(folder, crypto)).hash;
}

/** What one look at a folder found. */
interface Listing {
  hash: string;
  /** Relative path and SHA-256 of the content, sorted. */
  files: readonly (readonly [string, string])[];
  /** Folders and files, absolute, and what the file system said of them before they were read. */
  paths: readonly string[];
  stamp: string;
}

/**
 * The code of one module as it was when it was read. Its hash is SHA-256 over the sorted list of `[relative path, SHA-256
 * of the content]` of every file of the folder, whenever the code loads it. What it imports from elsewhere is the node
 * itself and not covered.
 */
export class CodeFolder {
  readonly hash: string;
  readonly #folder: string;
  readonly #crypto: Crypto;
  #listing: Listing;

  private constructor(folder: string, crypto: Crypto, listing: Listing) {
    this.hash = listing.hash;
    this.#folder = folder;
    this.#crypto = crypto;
    this.#listing = listing;
  }

  static async read(path: string, crypto: Crypto): Promise<CodeFolder> {
    // Code is loaded from where its links lead.
    const folder = await realpath(path);
    return new CodeFolder(folder, crypto, await listFolder(folder, crypto));
  }

  /** Asks the file system, which is cheap enough for every call; reads the files again only where it says something new. */
  isUnchanged(): boolean | Promise<boolean> {
    return stampOf(this.#listing.paths) === this.#listing.stamp || this.#isSame();
  }

  async #isSame(): Promise<boolean> {
    const found = await listFolder(this.#folder, this.#crypto).catch(() => undefined);
    if (found?.hash !== this.hash) return false;
    this.#listing = found;
    return true;
  }

  /** What a runner loads. */
  get code(): CodeInFolder {
    return { folder: this.#folder, files: this.#listing.files };
  }
}

async function listFolder(folder: string, crypto: Crypto): Promise<Listing> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const all = entries.filter((entry) => !NOT_CODE.test(entry.name));
  const paths = [folder, ...all.map((entry) => join(entry.parentPath, entry.name))];
  const found = all.filter((entry) => !entry.isDirectory());
  if (found.length > MAX_FILES) throw invalid(`${folder} holds more than ${MAX_FILES} files`);
  // Before the files are read: what changes meanwhile is seen at the next look.
  const stamp = stampOf(paths);
  const files = await Promise.all(
    found.map(async (entry) => {
      const path = join(entry.parentPath, entry.name);
      const relative = path.slice(folder.length).split(sep).filter(Boolean).join('/');
      return [relative, crypto.sha256Hex(await readFile(path))] as const;
    }),
  );
  files.sort(([a], [b]) => (a < b ? -1 : 1));
  return { hash: crypto.sha256Hex(JSON.stringify(files)), files, paths, stamp };
}

/** Differs after any write: `ctime` cannot be set. Synchronous: a few microseconds a file, without a turn of the event loop. */
function stampOf(paths: readonly string[]): string {
  return paths
    .map((path) => {
      const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
      return stat && [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(' ');
    })
    .join('\n');
}

function invalid(problem: string, cause?: unknown): MeshError {
  return new MeshError('config_invalid', `The capability is unusable: ${problem}.`, undefined, { cause });
}
