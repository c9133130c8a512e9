import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chain } from './archive/chain.ts';
import type { VectorCollection } from './archive/collection.ts';
import { contentIndex } from './archive/content-index.ts';
import { continuedOnes } from './archive/continued.ts';
import { embedded, numbers, pithTexts } from './archive/data.ts';
import { documents } from './archive/documents.ts';
import { encryptedOnes } from './archive/encrypted.ts';
import { envelope } from './archive/envelope.ts';
import { keyFile } from './archive/keys.ts';
import { layout } from './archive/layout.ts';
import { valid } from './archive/valid.ts';

/*
 * Writes `protocols/archive/v1/vectors`: the archives, with fixed keys, times and "random" bytes, and what is expected of
 * each. With `--check` it writes nothing and fails where a committed file differs.
 */
const folder = fileURLToPath(new URL('../../protocols/archive/v1/vectors/', import.meta.url));

/** Every file by its path below the folder. */
async function vectorFiles(): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const put = (path: string, value: unknown) =>
    files.set(path, Buffer.from(`${JSON.stringify(value, null, 2)}\n`));
  const { archive, inputs } = await embedded();
  put('keys.json', keyFile());
  put('embedded.json', archive);
  put('signing-input.json', inputs);
  put('numbers.json', numbers());
  put('pith.json', pithTexts());
  for (const collection of [
    valid,
    layout,
    documents,
    contentIndex,
    envelope,
    chain,
    continuedOnes,
    encryptedOnes,
  ])
    await addCollection(files, collection());
  return files;
}

async function addCollection(
  files: Map<string, Buffer>,
  { name, description, vectors }: VectorCollection,
): Promise<void> {
  const entries: object[] = [];
  for (const { name: vector, description: why, archive, expected, ...options } of vectors) {
    const file = `output/${vector}.capsule`;
    if (files.has(join(name, file))) throw new Error(`There are two vectors named ${vector} in ${name}.`);
    files.set(join(name, file), Buffer.from(await archive));
    entries.push({ name: vector, description: why, capsule_file: file, ...options, expected });
  }
  const meta = { name, spec_version: '0.6', comparison: 'exact', description };
  const document = { meta, keys_file: '../keys.json', vectors: entries };
  files.set(join(name, 'vectors.json'), Buffer.from(`${JSON.stringify(document, null, 2)}\n`));
}

function committed(): string[] {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return found.map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

const files = await vectorFiles();
if (process.argv.includes('--check')) {
  const there = new Set(committed());
  const stale = [...files].filter(
    ([path, bytes]) => !there.has(path) || !bytes.equals(readFileSync(join(folder, path))),
  );
  const left = [...there].filter((path) => !files.has(path));
  const wrong = [...stale.map(([path]) => path), ...left];
  if (wrong.length > 0) {
    console.error(
      `Not what the generator writes: ${wrong.join(', ')}. Run: node test/vectors/generate-archive-vectors.ts`,
    );
    process.exitCode = 1;
  }
} else {
  rmSync(folder, { recursive: true, force: true });
  for (const [path, bytes] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  }
}
