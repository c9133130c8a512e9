import type { Reading, Word } from './read.ts';
import { byScore, isContent, rounded } from './words.ts';

/** Longer runs of nouns are lists or titles, not terms. */
const PHRASE_WORDS = 4;
const MAX_CANDIDATES = 20_000;

export type Keyword = {
  phrase: string;
  /** Relative to the best of this text: 1 at most. */
  score: number;
  count: number;
};

interface Candidate {
  roots: string[];
  /** Spellings seen, with how often. */
  forms: Map<string, number>;
  count: number;
  blocks: Set<unknown>;
  firstAt: number;
}

/**
 * Terms by C-value: noun phrases by frequency and length, less what a longer phrase already explains; spread over
 * the text, an early first mention and a place in a heading count more. `known` names are left out.
 */
export function keywords(reading: Reading, limit: number, known: ReadonlySet<string> = new Set()): Keyword[] {
  const candidates = collect(reading);
  const headings = reading.blocks
    .filter((b) => b.kind === 'heading')
    .map((b) => b.pieces.join(' ').toLowerCase());
  const nested = nestedCounts(candidates);
  const total = Math.max(1, reading.sentences.length);
  const scored = [...candidates.entries()].map(([key, candidate]) => {
    const within = nested.get(key);
    const own = candidate.count - (within === undefined ? 0 : within.count / within.phrases);
    const form = bestForm(candidate);
    const early = 1 + 0.5 * (1 - candidate.firstAt / total);
    const spread = 1 + Math.log2(1 + candidate.blocks.size) / 4;
    const headed = headings.some((heading) => heading.includes(form.toLowerCase())) ? 1.3 : 1;
    const score = Math.log2(1 + candidate.roots.length) * Math.max(0, own) * early * spread * headed;
    return { phrase: form, score, count: candidate.count };
  });
  const ranked = scored
    .filter((item) => item.score > 0 && !known.has(item.phrase))
    .sort(byScore((item) => item.phrase));
  const best = ranked[0]?.score ?? 1;
  return distinct(ranked, limit).map((item) => ({ ...item, score: rounded(item.score / best) }));
}

function collect(reading: Reading): Map<string, Candidate> {
  const candidates = new Map<string, Candidate>();
  for (const sentence of reading.sentences) {
    for (const run of nounRuns(sentence.words)) {
      for (const phrase of endings(run)) {
        const key = phrase.map((word) => word.root).join(' ');
        let candidate = candidates.get(key);
        if (candidate === undefined) {
          if (candidates.size >= MAX_CANDIDATES) continue;
          const roots = phrase.map((word) => word.root);
          candidate = { roots, forms: new Map(), count: 0, blocks: new Set(), firstAt: sentence.index };
          candidates.set(key, candidate);
        }
        const form = spelling(phrase);
        candidate.forms.set(form, (candidate.forms.get(form) ?? 0) + 1);
        candidate.count += 1;
        candidate.blocks.add(sentence.block);
      }
    }
  }
  return candidates;
}

function spelling(phrase: readonly Word[]): string {
  const last = phrase.length - 1;
  return phrase
    .map((word, at) => word.text.replace(/['’]s?$/, '') + (at === last ? '' : word.joint))
    .join('');
}

/** Adjectives and nouns next to each other, ending in a noun. */
function nounRuns(words: readonly Word[]): Word[][] {
  const runs: Word[][] = [];
  let run: Word[] = [];
  const close = () => {
    while (run.length > 0 && !run.at(-1)?.tags.has('Noun')) run.pop();
    if (run.length > 0 && run.length <= PHRASE_WORDS) runs.push(run);
    run = [];
  };
  for (const word of words) {
    const noun = word.tags.has('Noun') && !word.tags.has('Date') && !word.tags.has('Value');
    const joins =
      isContent(word) && (noun || word.tags.has('Adjective')) && /^[\p{L}\p{N}.'’-]+$/u.test(word.text);
    if (joins) run.push(word);
    if (!joins || word.closes || word.tags.has('Possessive')) close();
  }
  close();
  return runs;
}

/** `core network switch` is also about `network switch` and `switch`. */
function endings(run: readonly Word[]): Word[][] {
  return run.map((_, start) => run.slice(start));
}

/** For each phrase, in how many longer phrases it ends and how often those occur. */
function nestedCounts(candidates: ReadonlyMap<string, Candidate>) {
  const nested = new Map<string, { count: number; phrases: number }>();
  for (const { roots, count } of candidates.values()) {
    for (let start = 1; start < roots.length; start += 1) {
      const key = roots.slice(start).join(' ');
      const entry = nested.get(key) ?? { count: 0, phrases: 0 };
      nested.set(key, { count: entry.count + count, phrases: entry.phrases + 1 });
    }
  }
  return nested;
}

function bestForm(candidate: Candidate): string {
  const forms = [...candidate.forms].map(([form, score]) => ({ form, score }));
  return forms.sort(byScore((item) => item.form))[0]?.form ?? candidate.roots.join(' ');
}

/** Leaves out a keyword whose words a better one already holds. */
function distinct<T extends { phrase: string }>(ranked: readonly T[], limit: number): T[] {
  const chosen: T[] = [];
  for (const item of ranked) {
    if (chosen.length === limit) break;
    const padded = ` ${item.phrase.toLowerCase()} `;
    if (!chosen.some((other) => ` ${other.phrase.toLowerCase()} `.includes(padded))) chosen.push(item);
  }
  return chosen;
}
