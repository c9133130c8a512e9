import type { Reading } from './read.ts';

/** Enough for a page of a report; a text that names more names them in passing. */
const MAX_PER_KIND = 50;

export type Entity = { name: string; count: number };
export type EntityTable = { people: Entity[]; places: Entity[]; organizations: Entity[] };

/** In a technical text these are everywhere, and the tagger takes any acronym for an organisation. */
const TECHNICAL: ReadonlySet<string> = new Set(
  'AI API CPU CSS DHT DNS GPU HTML HTTP HTTPS ID IP JSON LAN MIT NPM PDF RAM REST SDK SQL SSH SSL TCP TLS UDP UI URI URL VM WASM XML YAML'.split(
    ' ',
  ),
);

/** Named people, places and organisations with how often they are named, most often first. */
export function entities(reading: Reading): EntityTable {
  const people = mergeSurnames(tally(reading.mentions.people));
  const taken = new Set(people.keys());
  const organizations = tally(reading.mentions.organizations.filter((name) => !taken.has(clean(name))));
  for (const name of organizations.keys()) taken.add(name);
  const places = tally(reading.mentions.places.filter((name) => !taken.has(clean(name))));
  return { people: rank(people), places: rank(places), organizations: rank(organizations) };
}

function tally(mentions: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const mention of mentions) {
    const name = clean(mention);
    // A name has a capital and more than initials; `e.g.` and file names are not organisations.
    if (name.length < 2 || name.length > 80 || !/\p{Lu}/u.test(name) || /[`_/\\@<>{}=]/.test(name)) continue;
    if (/ \p{Ll}+$/u.test(name) || TECHNICAL.has(name)) continue;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

function clean(mention: string): string {
  return mention
    .replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, '')
    .replace(/['’]s$/, '')
    .replace(/\s+/g, ' ')
    .replace(/^(?:\p{Ll}+ )+/u, '');
}

/** `Keller` is `Maria Keller` when only one person of that name is in the text. */
function mergeSurnames(people: ReadonlyMap<string, number>): Map<string, number> {
  const merged = new Map(people);
  for (const [name, count] of people) {
    const fuller = [...people.keys()].filter((other) => other !== name && ` ${other} `.includes(` ${name} `));
    const [only] = fuller;
    if (only === undefined || fuller.length > 1) continue;
    merged.set(only, (merged.get(only) ?? 0) + count);
    merged.delete(name);
  }
  return merged;
}

function rank(counts: ReadonlyMap<string, number>): Entity[] {
  return [...counts]
    .map(([name, count]) => ({ name, count }))
    .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
    .slice(0, MAX_PER_KIND);
}
