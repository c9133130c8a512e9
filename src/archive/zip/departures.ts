import type { CentralEntry } from './central-directory.ts';
import type { EndRecord } from './end-record.ts';
import { DEFLATE, DESCRIPTOR_FLAG, EPOCH_DOS } from './format.ts';
import type { LocalHeaders } from './local-headers.ts';

/** Where the archive departs from what a writer of this format writes, without harm. Clauses, at most one of a kind. */
export function departures(
  directory: readonly CentralEntry[],
  { gapBytes, hasExtra }: LocalHeaders,
  { hasComment }: EndRecord,
): string[] {
  const found: string[] = [];
  const some = (what: string, test: (entry: CentralEntry, place: number) => boolean): void => {
    const those = directory.filter(test);
    const [first] = those;
    if (first !== undefined) found.push(`${what}: ${listed(first.path, those.length)}`);
  };
  some('compressed, where STORED is the rule', ({ method }) => method === DEFLATE);
  some('a timestamp other than 1980-01-01T00:00', ({ time }) => time !== EPOCH_DOS);
  some('not sorted by path', ({ path }, place) => path < (directory[place - 1]?.path ?? ''));
  some(
    'data not in the order of the directory',
    ({ offset }, place) => offset < (directory[place - 1]?.offset ?? 0),
  );
  some('size and checksum behind the data', ({ flags }) => (flags & DESCRIPTOR_FLAG) !== 0);
  some('a folder of its own, which is ignored', ({ isFolder }) => isFolder);
  some('a comment', (entry) => entry.hasComment);
  some('extra fields', (entry) => entry.hasExtra || hasExtra.has(entry));
  const collisions = collidingPaths(directory);
  some('a name that collides with another when extracted', ({ path }) => collisions.has(path));
  if (hasComment) found.push('the archive has a comment');
  if (gapBytes > 0) found.push(`${String(gapBytes)} bytes of the archive belong to no entry`);
  return found;
}

const listed = (first: string, count: number): string =>
  count === 1 ? first : `${first} and ${String(count - 1)} more`;

/**
 * Names that are one file on some file systems, and files that are also folders. With the lowest of all characters for
 * a slash, whatever is in a folder sorts right behind a file of the folder's name.
 */
function collidingPaths(directory: readonly CentralEntry[]): ReadonlySet<string> {
  const keyed = directory.map(({ path, isFolder }) => ({ path, isFolder, key: keyOf(path) }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key)));
  const colliding = new Set<string>();
  for (const [place, { path, key, isFolder }] of keyed.entries()) {
    const next = keyed[place + 1];
    if (isFolder || next === undefined) continue;
    if (next.key === key) colliding.add(next.path);
    else if (next.key.startsWith(`${key}\0`)) colliding.add(path);
  }
  return colliding;
}

const keyOf = (path: string): string => path.normalize('NFC').toLowerCase().replaceAll('/', '\0');
