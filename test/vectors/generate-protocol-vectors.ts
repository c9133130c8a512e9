import { readFileSync, writeFileSync } from 'node:fs';
import { addAssignments } from './protocol/assignments.ts';
import { addCapsules } from './protocol/capsules.ts';
import { addMessages } from './protocol/messages.ts';
import type { Vectors } from './protocol/vector.ts';

/*
 * Writes the vectors of assignments, of spawned capsules and the rules about them, and of the messages about capsules, with
 * fixed keys and times. Others, that need no proof, are written by hand. With `--check` it writes nothing and fails where a committed file
 * differs.
 */
const check = process.argv.includes('--check');
const vectors: Vectors = new Map();
addCapsules(vectors);
addAssignments(vectors);
addMessages(vectors);
const stale: string[] = [];

for (const [path, vector] of vectors) {
  const url = new URL(`../../protocols/${path}`, import.meta.url);
  const text = `${JSON.stringify(vector, null, 2)}\n`;
  if (!check) writeFileSync(url, text);
  else if (readFileSync(url, 'utf8') !== text) stale.push(path);
}

if (stale.length > 0) {
  console.error(
    `Not what the generator writes: ${stale.join(', ')}. Run: node test/vectors/generate-protocol-vectors.ts`,
  );
  process.exitCode = 1;
}
