import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import type { CapabilityApi, Intent } from '../../src/engine/capability.ts';
import { actions } from '../actions.ts';
import { fail } from '../fail.ts';
import { integerOf, requiredString } from '../payload.ts';
import { entities } from './entities.ts';
import { keywords } from './keywords.ts';
import { type Reading, read } from './read.ts';
import { textStats } from './stats.ts';
import { summarySentences } from './summary.ts';

/** The manifest's `maxLength`: about half a capsule, a few seconds of tagging. */
const MAX_TEXT_CHARS = 500_000;
const SENTENCES = { default: 3, min: 1, max: 20 };
const KEYWORDS = { default: 12, min: 1, max: 100 };
const TOPICS = 5;

/** Deterministic analysis of English text or Markdown: the same input gives the same bytes. */
export const run = actions({
  'text.analyze': analyze,
  'text.summarize': summarize,
  'text.keywords': extractKeywords,
  'text.stats': count,
});

async function analyze(intent: Intent, api: CapabilityApi): Promise<JsonObject> {
  const { text, reading } = await readPayload(intent, api);
  const sentences = summarySentences(reading, integerOf(intent.payload, 'sentences', SENTENCES));
  const names = entities(reading);
  // People have a place of their own in the result; the keywords are for what the text is about.
  const people = new Set(names.people.map(({ name }) => name));
  const terms = keywords(reading, integerOf(intent.payload, 'keywords', KEYWORDS), people);
  return {
    title: reading.title,
    summary: sentences.map((sentence) => sentence.text).join(' '),
    sentences,
    keywords: terms,
    topics: terms.slice(0, TOPICS).map((term) => term.phrase),
    entities: names,
    stats: textStats(text, reading),
  };
}

async function summarize(intent: Intent, api: CapabilityApi): Promise<JsonObject> {
  const { reading } = await readPayload(intent, api);
  const sentences = summarySentences(reading, integerOf(intent.payload, 'sentences', SENTENCES));
  if (sentences.length === 0) throw fail('invalid_payload', 'The text has no sentence to summarise.');
  return { summary: sentences.map((sentence) => sentence.text).join(' '), sentences };
}

async function extractKeywords(intent: Intent, api: CapabilityApi): Promise<JsonObject> {
  const { reading } = await readPayload(intent, api);
  return { keywords: keywords(reading, integerOf(intent.payload, 'limit', KEYWORDS)) };
}

async function count(intent: Intent, api: CapabilityApi): Promise<JsonObject> {
  const { text, reading } = await readPayload(intent, api);
  return textStats(text, reading);
}

async function readPayload(intent: Intent, api: CapabilityApi): Promise<{ text: string; reading: Reading }> {
  const text = requiredString(intent.payload, 'text');
  if (text.length > MAX_TEXT_CHARS) {
    throw fail('too_large', `The text has ${text.length} characters; ${MAX_TEXT_CHARS} are allowed.`);
  }
  return { text, reading: await read(text, api.signal) };
}
