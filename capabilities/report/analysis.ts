import type { JsonObject, JsonValue } from '../../protocols/common/v1/schema.ts';
import { markdownLine, markdownParagraphs } from '../../src/lib/untrusted-text.ts';
import { isJsonObject } from '../payload.ts';
import { heading, label, table, valueBlocks } from './generic.ts';

/** What `text.analyze` and `ai.analyze` answer; each part is shown where it has the expected shape. */
export function isAnalysis(value: JsonValue): value is JsonObject {
  return (
    isJsonObject(value) && typeof value.summary === 'string' && ('keywords' in value || 'analysis' in value)
  );
}

/** Sections in reading order: summary, analysis, key points, keywords, names, statistics, then whatever else is there. */
export function analysisBlocks(analysis: JsonObject): string[] {
  const {
    title: _title,
    summary,
    analysis: body,
    keyPoints,
    keywords,
    entities,
    stats,
    ...others
  } = analysis;
  // The quoted sentences are the summary, and the topics are the first keywords.
  const { sentences: _sentences, topics: _topics, ...rest } = others;
  return [
    ...part('Summary', summary, (value) =>
      typeof value === 'string' ? markdownParagraphs(value) : undefined,
    ),
    ...part('Analysis', body, (value) => (typeof value === 'string' ? markdownParagraphs(value) : undefined)),
    ...part('Key points', keyPoints, () => undefined),
    ...part('Keywords', keywords, keywordBlocks),
    ...part('Names', entities, nameBlocks),
    ...part('Statistics', stats, () => undefined),
    ...Object.entries(rest).flatMap(([key, value]) => part(label(key), value, () => undefined)),
  ];
}

function part(
  title: string,
  value: JsonValue | undefined,
  render: (value: JsonValue) => string[] | undefined,
): string[] {
  if (value === undefined || value === null || value === '') return [];
  const blocks = render(value) ?? valueBlocks(value, 3);
  return blocks.length === 0 ? [] : [heading(2, title), ...blocks];
}

function keywordBlocks(value: JsonValue): string[] | undefined {
  if (
    !Array.isArray(value) ||
    !value.every((item) => isJsonObject(item) && typeof item.phrase === 'string')
  ) {
    return undefined;
  }
  const rows = value
    .filter(isJsonObject)
    .map((item) => [
      markdownLine(String(item.phrase)),
      markdownLine(String(item.count ?? '')),
      typeof item.score === 'number' ? item.score.toFixed(2) : '',
    ]);
  return rows.length === 0 ? [] : [table(['Keyword', 'Mentions', 'Weight'], rows)];
}

/** `{people: [{name, count}], …}` as one line for each kind with names in it. */
function nameBlocks(value: JsonValue): string[] | undefined {
  if (!isJsonObject(value)) return undefined;
  const lines: string[] = [];
  for (const [kind, names] of Object.entries(value)) {
    if (!Array.isArray(names)) return undefined;
    const shown = names.filter(isJsonObject).map((item) => {
      const times = typeof item.count === 'number' && item.count > 1 ? ` (${item.count})` : '';
      return markdownLine(String(item.name)) + times;
    });
    if (shown.length > 0) lines.push(`- **${markdownLine(label(kind))}:** ${shown.join(', ')}`);
  }
  return lines.length === 0 ? [] : [lines.join('\n')];
}
