import type { Word } from './read.ts';

/** Words that are nouns, verbs or adjectives to the tagger and yet tell nothing about a text. */
const EMPTY_WORDS: ReadonlySet<string> = new Set(
  (
    'thing way lot bit kind sort part number amount use make do have be get go take give put let say see come know ' +
    'want need try keep become seem look find tell ask show mean include follow happen other same such own many ' +
    'much more most few several different various new good first last next able same able one two three time day ' +
    'case point example something anything nothing everything someone everyone people its optional default'
  ).split(' '),
);

/** Carries meaning of its own: a noun, a full verb or an adjective that is not an everyday one. */
export function isContent(word: Word): boolean {
  const { tags, root } = word;
  if (root.length < 2 || !/\p{L}/u.test(root) || EMPTY_WORDS.has(root)) return false;
  if (tags.has('Pronoun') || tags.has('Auxiliary') || tags.has('Copula') || tags.has('Modal')) return false;
  return tags.has('Noun') || tags.has('Verb') || tags.has('Adjective');
}

/** Highest first; equal ones in code-unit order, so that no locale changes a result. */
export function byScore<T extends { score: number }>(name: (item: T) => string) {
  return (a: T, b: T): number => b.score - a.score || (name(a) < name(b) ? -1 : name(a) > name(b) ? 1 : 0);
}

/** Few enough decimals that the result is the same on every machine. */
export function rounded(value: number, decimals = 4): number {
  const scale = 10 ** decimals;
  return Math.round(value * scale) / scale;
}
