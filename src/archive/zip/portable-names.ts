/** Characters that Windows has a meaning of its own for; with `:` a file is written into another one. */
const RESERVED = /[<>:"|?*]/;
/** Devices of Windows, with whatever ending. */
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\.|$)/i;
const DROPPED_END = /[. ]$/;

/** Why a file cannot be extracted by its name on Windows; a clause, or null. */
export function portabilityProblem(path: string): string | null {
  for (const segment of path.split('/')) {
    if (DEVICE.test(segment)) return `has ${JSON.stringify(segment)} in it, which is a device on Windows`;
    const reserved = RESERVED.exec(segment)?.[0];
    if (reserved !== undefined) return `has a ${reserved} in it, which Windows does not allow in names`;
    if (DROPPED_END.test(segment)) return 'has a dot or a space at the end of a name, which Windows drops';
  }
  return null;
}

/** Clauses about names that cannot be extracted beside each other on every system, each with both of them. */
export function nameCollisions(paths: Iterable<string>): string[] {
  const keyed = Array.from(paths, (path) => ({ path, key: folded(path).replaceAll('/', '\0') }));
  // With the lowest of all characters for a slash, what is in a folder sorts right behind a file of the folder's name,
  // and whatever has the beginning of its path in common with others stands next to one of them.
  keyed.sort((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key)));
  return keyed.flatMap(({ path }, place) => {
    const next = keyed[place + 1];
    const found = next === undefined ? null : collision(path, next.path);
    return found === null ? [] : [found];
  });
}

/** Equal for names that are one file on some system: those of Windows and macOS ignore case, the latter Unicode form too. */
const folded = (name: string): string =>
  name.normalize('NFC').toLowerCase().replaceAll('ς', 'σ').normalize('NFC');

/** Decided by the first names on both ways that are not the same. */
function collision(one: string, other: string): string | null {
  let common = 0;
  while (common < one.length && one[common] === other[common]) common += 1;
  if (common === one.length)
    return other[common] === '/'
      ? `${quoted(one)} is a file and a folder at once, for ${quoted(other)}`
      : null;
  const start = one.lastIndexOf('/', common - 1) + 1;
  const [a, b] = [upToSlash(one, start), upToSlash(other, start)];
  if (folded(a.slice(start)) !== folded(b.slice(start))) return null;
  const what = a.normalize('NFC') === b.normalize('NFC') ? 'Unicode form' : 'case';
  return `${quoted(a)} and ${quoted(b)} differ only in ${what}`;
}

function upToSlash(path: string, start: number): string {
  const end = path.indexOf('/', start);
  return end < 0 ? path : path.slice(0, end);
}

const quoted = (name: string): string => JSON.stringify(name);
