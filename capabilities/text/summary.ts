import type { Reading, Sentence } from './read.ts';
import { isContent, rounded } from './words.ts';

export type SummarySentence = {
  text: string;
  /** Position among the sentences of the prose, from 0. */
  index: number;
  /** Relative to the best sentence of this text: 1 at most. */
  score: number;
};

/** Sentences outside these lengths, in words, are seldom worth quoting alone. */
const SHORT = 6;
const LONG = 42;

const KEY_SECTION =
  /\b(summary|abstract|overview|conclusions?|results?|findings|impact|outcome|root cause|decision)\b/i;
const CUE =
  /\b(in summary|in short|overall|as a result|therefore|root cause|caused by|because|we (found|decided|recommend|conclude)|lost|must|most important)\b/i;
/** Needs the sentence before it to be understood. */
const LEANS =
  /^(this|that|these|those|it|its|he|she|they|his|her|their|there|however|but|and|so|then|also|instead|such)\b/i;

interface Scored {
  sentence: Sentence;
  roots: ReadonlySet<string>;
  score: number;
}

/** The sentences that say most, in the order of the text: centrality, position, section and cues, less repetition. */
export function summarySentences(reading: Reading, count: number): SummarySentence[] {
  const scored = score(reading);
  const best = highest(scored.map((item) => item.score));
  return choose(scored, count)
    .sort((a, b) => a.sentence.index - b.sentence.index)
    .map(({ sentence, score }) => ({
      text: sentence.text,
      index: sentence.index,
      score: rounded(Math.max(0, score / best)),
    }));
}

function score(reading: Reading): Scored[] {
  const items = reading.sentences.map((sentence) => ({
    sentence,
    roots: new Set(sentence.words.filter(isContent).map((word) => word.root)),
  }));
  const frequency = new Map<string, number>();
  for (const { roots } of items)
    for (const root of roots) frequency.set(root, (frequency.get(root) ?? 0) + 1);
  const title = new Set((reading.title ?? '').toLowerCase().match(/\p{L}{3,}/gu) ?? []);
  const centrality = items.map(({ roots }) => {
    const sum = [...roots].reduce((total, root) => total + Math.log2(frequency.get(root) ?? 1), 0);
    return sum / Math.sqrt(Math.max(roots.size, SHORT));
  });
  const top = highest(centrality);
  return items.map(({ sentence, roots }, position) => ({
    sentence,
    roots,
    score:
      (centrality[position] ?? 0) / top + placement(sentence, items.length) + form(sentence, roots, title),
  }));
}

/** Above zero, so that dividing by it is safe; `Math.max(...)` would overflow the stack for a long text. */
function highest(values: readonly number[]): number {
  return values.reduce((top, value) => Math.max(top, value), Number.MIN_VALUE);
}

function placement({ index, leads, block }: Sentence, total: number): number {
  const lead = Math.max(0, 1 - index / Math.max(3, total * 0.1));
  return 0.5 * lead + (leads ? 0.1 : 0) + (KEY_SECTION.test(block.section) ? 0.2 : 0);
}

function form(
  { text, words, block }: Sentence,
  roots: ReadonlySet<string>,
  title: ReadonlySet<string>,
): number {
  const shared = [...roots].filter((root) => title.has(root)).length;
  let value = 0.2 * (shared / Math.max(2, title.size));
  if (CUE.test(text)) value += 0.15;
  if (LEANS.test(text)) value -= 0.25;
  if (words.length < SHORT) value -= 0.6;
  if (words.length > LONG) value -= 0.02 * (words.length - LONG);
  if (text.endsWith('?')) value -= 0.2;
  if (text.endsWith(':')) value -= 0.5;
  if (!/[.!?]["'”’)]*$/.test(text)) value -= 0.3;
  if (block.kind !== 'paragraph') value -= 0.15;
  return value;
}

/** Maximal marginal relevance: each next choice loses by what it shares with those already made. */
function choose(scored: readonly Scored[], count: number): Scored[] {
  const left = new Map(scored.map((item) => [item, 0]));
  const chosen: Scored[] = [];
  while (chosen.length < count && left.size > 0) {
    const next = bestOf(left);
    if (next === undefined) break;
    chosen.push(next);
    left.delete(next);
    for (const [item, overlap] of left) left.set(item, Math.max(overlap, similarity(item.roots, next.roots)));
  }
  return chosen;
}

/** The earlier of equals, since the map is in the order of the text. */
function bestOf(overlaps: ReadonlyMap<Scored, number>): Scored | undefined {
  let best: Scored | undefined;
  let bestValue = Number.NEGATIVE_INFINITY;
  for (const [item, overlap] of overlaps) {
    // Squared: sharing a subject costs little, repeating a sentence more than any sentence can score by position.
    const value = item.score - 1.5 * overlap ** 2;
    if (value > bestValue) [best, bestValue] = [item, value];
  }
  return best;
}

function similarity(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let shared = 0;
  for (const root of a) if (b.has(root)) shared += 1;
  return shared === 0 ? 0 : shared / Math.min(a.size, b.size);
}
