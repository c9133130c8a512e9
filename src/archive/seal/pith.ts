import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { isObject } from '../../lib/json.ts';

/** UTF-16 units of a narrative field, the ellipsis included (archive-v0.6 "Pith"). */
export const PITH_MAX_CHARS = 280;
const PITH_MAX_SENTENCES = 3;
const ELLIPSIS = '…';
/** Where text is cut at the latest. */
const CUT_AT = PITH_MAX_CHARS - ELLIPSIS.length;
/** A word end before this would throw away too much of what there is room for. */
const EARLIEST_CUT = Math.floor(CUT_AT * 0.6);

/** The first three sentences of a text with at least as many; a sentence is ended by a run of marks. */
const SENTENCES = new RegExp(`^[.!?]*(?:[^.!?]+[.!?]+){${String(PITH_MAX_SENTENCES)}}`);
/** First half of a pair, without the second. */
const HALF_CHARACTER = /[\ud800-\udbff]$/;
const AT_CUT = /[\s,;:.!?-]+$/;

const NARRATIVE_FIELDS = ['summary', 'statement', 'note'] as const;
/** Lists of objects, and the member of each that is narrative. */
const NARRATIVE_LISTS = [
  ['open_items', 'item'],
  ['decisions', 'text'],
  ['milestones', 'text'],
] as const;

/**
 * Narrative text, terse and regular: one line, at most three sentences, at most 280 characters. What has been through
 * it once stays as it is.
 */
export function pith(text: string): string {
  const line = oneLine(text);
  return shortened(SENTENCES.exec(line)?.[0] ?? line);
}

/** A payload with its narrative fields through `pith`; everything else is as it was. The argument stays untouched. */
export function pithPayload(payload: JsonObject): JsonObject {
  const result = withPith(payload, NARRATIVE_FIELDS);
  for (const [list, name] of NARRATIVE_LISTS) {
    const items = result[list];
    if (Array.isArray(items))
      result[list] = items.map((item) => (isObject(item) ? withPith(item, [name]) : item));
  }
  return result;
}

function withPith(object: JsonObject, names: readonly string[]): JsonObject {
  const copy = { ...object };
  for (const name of names) {
    const value = copy[name];
    if (typeof value === 'string') copy[name] = pith(value);
  }
  return copy;
}

function oneLine(text: string): string {
  return text
    .split(/\r\n?|\n/)
    .map((line) => line.replaceAll(/[\t ]+/g, ' ').trim())
    .filter((line) => line !== '')
    .join(' ');
}

function shortened(line: string): string {
  if (line.length <= PITH_MAX_CHARS) return line;
  const head = line.slice(0, CUT_AT).replace(HALF_CHARACTER, '');
  const words = head.trimEnd();
  const lastSpace = words.lastIndexOf(' ');
  const cut = words.length === head.length && lastSpace >= EARLIEST_CUT ? words.slice(0, lastSpace) : words;
  return (cut.replace(AT_CUT, '') || words) + ELLIPSIS;
}
