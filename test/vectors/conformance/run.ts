import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { runCollection } from './archive-vectors.ts';
import {
  runEmbedded,
  runKeyOrder,
  runNumbers,
  runPith,
  runSignatures,
  runSigningInput,
} from './byte-vectors.ts';
import { type Results, reasonOf } from './results.ts';
import { type ArchiveVector, type Expected, type KeyFile, recognise } from './shapes.ts';

/** A folder of vectors has a few hundred files; more, or deeper, is another folder than was meant. */
const MAX_FILES = 10_000;
const MAX_DEPTH = 8;

/** What an archive's name says is wrong with it, in a folder of archives and keys without a collection. */
const NAMED_OUTCOMES: ReadonlyMap<string, { failing: string[]; exact: boolean }> = new Map([
  ['tampered-payload', { failing: ['content_index'], exact: true }],
  ['tampered-chain', { failing: ['content_index', 'chain'], exact: true }],
  ['tampered-envelope', { failing: ['envelope'], exact: false }],
  ['tampered-blob', { failing: ['encrypted_blob'], exact: false }],
]);

/** Runs every vector below a folder. Rejects where there is no such folder; all else is among the results. */
export async function runFolder(results: Results, folder: string, shown: string): Promise<void> {
  const files = await filesBelow(folder);
  const before = results.outcomes.length;
  const claimed = new Set<string>();
  for (const file of files.filter((path) => path.endsWith('.json'))) {
    const set = join(shown, relative(folder, file));
    try {
      await runFile(results, file, set, claimed);
    } catch (error) {
      results.add(set, basename(file), 'a vector that can be run', reasonOf(error));
    }
  }
  const rest = files.filter((path) => path.endsWith('.capsule') && !claimed.has(path));
  await runNamedArchives(results, rest, files, (file) => join(shown, relative(folder, file)));
  if (results.outcomes.length === before) results.add(shown, '(any)', 'vectors', 'no vector');
}

async function filesBelow(root: string): Promise<string[]> {
  const files: string[] = [];
  const walk = async (folder: string, depth: number): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && depth === MAX_DEPTH)
        throw new Error(`${root} has folders deeper than ${String(MAX_DEPTH)}.`);
      if (entry.isDirectory()) await walk(path, depth + 1);
      else if (entry.isFile()) files.push(path);
      if (files.length > MAX_FILES) throw new Error(`${root} has more than ${String(MAX_FILES)} files.`);
    }
  };
  await walk(root, 1);
  return files.sort();
}

async function runFile(results: Results, file: string, set: string, claimed: Set<string>): Promise<void> {
  const found = recognise(await readJson(file));
  switch (found.shape) {
    case 'collection':
      for (const { capsule_file: path } of found.document.vectors) claimed.add(join(dirname(file), path));
      return runCollection(results, set, dirname(file), found.document, readKeys);
    case 'embedded':
      return runEmbedded(results, set, found.document);
    case 'signing-input': {
      const referred = recognise(await readJson(join(dirname(file), found.document.meta.capsule_ref)));
      if (referred.shape !== 'embedded') throw new Error('What capsule_ref names is no embedded archive.');
      return runSigningInput(results, set, found.document, referred.document);
    }
    case 'numbers':
      return runNumbers(results, set, found.document);
    case 'pith':
      return runPith(results, set, found.document);
    case 'key-order':
      return runKeyOrder(results, set, found.document);
    case 'signatures':
      return runSignatures(results, set, found.document);
    case 'keys':
      return results.skip(set, 'keys');
    case 'other':
      return results.skip(set, found.reason);
    case 'broken':
      return results.add(set, basename(file), 'a vector that can be run', found.problem);
  }
}

/** Archives that no collection speaks of: what they should give is in their names, if they lie beside keys. */
async function runNamedArchives(
  results: Results,
  archives: readonly string[],
  files: readonly string[],
  shownAs: (file: string) => string,
): Promise<void> {
  for (const folder of new Set(archives.map((path) => dirname(path)))) {
    const keysFile = join(folder, 'keys.json');
    const vectors: ArchiveVector[] = [];
    for (const path of archives.filter((archive) => dirname(archive) === folder)) {
      const expected = files.includes(keysFile) ? namedOutcome(basename(path, '.capsule')) : null;
      if (expected === null) results.skip(shownAs(path), 'nothing says what to expect of it');
      else vectors.push({ name: basename(path), capsule_file: basename(path), expected });
    }
    const exact = (name: string) => NAMED_OUTCOMES.get(basename(name, '.capsule'))?.exact === true;
    for (const comparison of ['exact', 'named']) {
      const chosen = vectors.filter(({ name }) => exact(name) === (comparison === 'exact'));
      const collection = { meta: { comparison }, keys_file: 'keys.json', vectors: chosen };
      await runCollection(results, shownAs(folder), folder, collection, readKeys);
    }
  }
}

function namedOutcome(name: string): Expected | null {
  const named = NAMED_OUTCOMES.get(name);
  if (named !== undefined) return { ok: false, failing: named.failing };
  if (name.startsWith('tampered-')) return { ok: false };
  if (/^clean-.*encrypted|^clean-encrypted/.test(name)) return { ok: true, decryptable_with: 'recipient' };
  return name.startsWith('clean') ? { ok: true } : null;
}

async function readJson(file: string): Promise<unknown> {
  return JSON.parse(await readFile(file, 'utf8'));
}

async function readKeys(file: string): Promise<KeyFile> {
  const found = recognise(await readJson(file));
  if (found.shape !== 'keys') throw new Error(`${basename(file)} is not a file of keys.`);
  return found.document;
}
