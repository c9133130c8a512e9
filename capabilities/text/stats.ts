import type { Reading, Sentence } from './read.ts';
import { rounded } from './words.ts';

/** Words a minute an adult reads silently in English (Brysbaert 2019, non-fiction). */
const WORDS_PER_MINUTE = 238;

// A type, not an interface: it must be assignable to a JSON object.
export type TextStats = {
  /** Unicode code points of the input as it came. */
  characters: number;
  words: number;
  uniqueWords: number;
  sentences: number;
  paragraphs: number;
  headings: number;
  averageSentenceWords: number;
  averageWordLetters: number;
  readingSeconds: number;
  /** Flesch reading ease and Flesch-Kincaid grade, for English; null without a sentence. */
  readingEase: number | null;
  gradeLevel: number | null;
};

/** Counts of the prose: code blocks and tables count as characters only. */
export function textStats(text: string, reading: Reading): TextStats {
  const words = reading.sentences.flatMap(spoken);
  const letters = words.reduce((sum, word) => sum + [...word.matchAll(/[\p{L}\p{N}]/gu)].length, 0);
  const syllables = words.reduce((sum, word) => sum + syllableCount(word), 0);
  const sentences = reading.sentences.length;
  const perSentence = sentences === 0 ? 0 : words.length / sentences;
  const perWord = words.length === 0 ? 0 : syllables / words.length;
  return {
    characters: [...text].length,
    words: words.length,
    uniqueWords: new Set(words.map((word) => word.toLowerCase())).size,
    sentences,
    paragraphs: reading.blocks.filter((block) => block.kind !== 'heading').length,
    headings: reading.blocks.filter((block) => block.kind === 'heading').length,
    averageSentenceWords: rounded(perSentence, 2),
    averageWordLetters: words.length === 0 ? 0 : rounded(letters / words.length, 2),
    readingSeconds: Math.ceil((words.length / WORDS_PER_MINUTE) * 60),
    readingEase: words.length === 0 ? null : rounded(206.835 - 1.015 * perSentence - 84.6 * perWord, 1),
    gradeLevel: words.length === 0 ? null : rounded(0.39 * perSentence + 11.8 * perWord - 15.59, 1),
  };
}

function spoken(sentence: Sentence): string[] {
  return sentence.words.map((word) => word.text).filter((word) => /[\p{L}\p{N}]/u.test(word));
}

/** Groups of vowels without a silent final e: the usual estimate behind Flesch's formulas. */
function syllableCount(word: string): number {
  const plain = word.toLowerCase().replace(/[^a-z]/g, '');
  const groups = plain.replace(/(?<=[^aeiouyl])e(?:s|d)?$/, '').match(/[aeiouy]+/g);
  return Math.max(1, groups?.length ?? 1);
}
