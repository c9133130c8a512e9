import type { CentralEntry } from './central-directory.ts';
import type { EndRecord } from './end-record.ts';
import { DEFLATE, DESCRIPTOR_FLAG, EPOCH_DOS } from './format.ts';
import type { LocalHeaders } from './local-headers.ts';
import { nameCollisions, portabilityProblem } from './portable-names.ts';

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
  some('a name that Windows cannot have', ({ path }) => portabilityProblem(path) !== null);
  const collisions = nameCollisions(directory.map(({ path }) => path));
  if (collisions[0] !== undefined)
    found.push(`names that collide when extracted: ${listed(collisions[0], collisions.length)}`);
  if (hasComment) found.push('the archive has a comment');
  if (gapBytes > 0) found.push(`${String(gapBytes)} bytes of the archive belong to no entry`);
  return found;
}

const listed = (first: string, count: number): string =>
  count === 1 ? first : `${first} and ${String(count - 1)} more`;
