import type { JsonObject, JsonValue } from '../../protocols/common/v1/schema.ts';
import { markdownLine, markdownParagraphs } from '../../src/lib/untrusted-text.ts';
import { isJsonObject } from '../payload.ts';

/** What a page can show; the rest is counted. The data itself stays in the capsule's result. */
const MAX_ROWS = 200;
const MAX_COLUMNS = 8;
/** A longer string stands in paragraphs of its own, not in a cell. */
const CELL_CHARS = 160;
const DEEPEST_HEADING = 6;

/** Any JSON as Markdown blocks: flat objects and lists of them as tables, lists as bullets, the rest in sections. */
export function valueBlocks(value: JsonValue, level: number): string[] {
  if (Array.isArray(value)) return arrayBlocks(value, level);
  if (isJsonObject(value)) return objectBlocks(value, level);
  return typeof value === 'string' ? markdownParagraphs(value) : [scalar(value)];
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const shown = rows.slice(0, MAX_ROWS).map(line);
  return [line(head), line(head.map(() => '---')), ...shown].join('\n') + more(rows.length);
}

export function heading(level: number, text: string): string {
  return `${'#'.repeat(Math.min(level, DEEPEST_HEADING))} ${markdownLine(text)}`;
}

/** `readingEase` as `Reading ease`; anything that is not a plain name stays as it is. */
export function label(key: string): string {
  if (!/^[a-z][A-Za-z0-9]*(_[a-z0-9]+)*$/.test(key)) return key;
  const words = key
    .replace(/_/g, ' ')
    .replace(/([a-z0-9])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`);
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function arrayBlocks(values: readonly JsonValue[], level: number): string[] {
  if (values.length === 0) return ['None.'];
  if (values.every(isCell)) {
    const items = values.slice(0, MAX_ROWS).map((value) => `- ${scalar(value)}`);
    return [items.join('\n') + more(values.length)];
  }
  const columns = columnsOf(values);
  if (columns !== undefined) {
    const rows = values.filter(isJsonObject).map((row) => columns.map((column) => cell(row[column])));
    return [
      table(
        columns.map((column) => markdownLine(label(column))),
        rows,
      ),
    ];
  }
  const shown = values.slice(0, MAX_ROWS);
  const blocks = shown.flatMap((value, index) => section(`Item ${index + 1}`, value, level));
  return values.length > MAX_ROWS ? [...blocks, more(values.length).trim()] : blocks;
}

function objectBlocks(value: JsonObject, level: number): string[] {
  const entries = Object.entries(value);
  if (entries.length === 0) return ['None.'];
  const flat = entries.filter(([, item]) => isCell(item));
  const rest = entries.filter(([, item]) => !isCell(item));
  const rows = flat.map(([key, item]) => [markdownLine(label(key)), scalar(item)]);
  return [
    ...(rows.length === 0 ? [] : [table(['Field', 'Value'], rows)]),
    ...rest.slice(0, MAX_ROWS).flatMap(([key, item]) => section(label(key), item, level)),
    ...(rest.length > MAX_ROWS ? [more(rest.length).trim()] : []),
  ];
}

/** Below the deepest heading structure is shown as JSON in a code block, whose fence is longer than any inside. */
function section(title: string, value: JsonValue, level: number): string[] {
  if (level <= DEEPEST_HEADING) return [heading(level, title), ...valueBlocks(value, level + 1)];
  const json = JSON.stringify(value, null, 2);
  const longest = Math.max(2, ...[...json.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return [`**${markdownLine(title)}**`, `${fence}json\n${json}\n${fence}`];
}

function columnsOf(rows: readonly JsonValue[]): string[] | undefined {
  const columns = new Set<string>();
  for (const row of rows) {
    if (!isJsonObject(row) || !Object.values(row).every(isCell)) return undefined;
    for (const key of Object.keys(row)) columns.add(key);
    if (columns.size > MAX_COLUMNS) return undefined;
  }
  return columns.size === 0 ? undefined : [...columns];
}

function isCell(value: JsonValue): boolean {
  if (typeof value === 'string') return value.length <= CELL_CHARS && !value.includes('\n');
  return typeof value !== 'object' || value === null;
}

function cell(value: JsonValue | undefined): string {
  return value === undefined ? '' : scalar(value);
}

function scalar(value: JsonValue): string {
  return value === null ? '–' : markdownLine(String(value));
}

function more(total: number): string {
  return total > MAX_ROWS ? `\n\n… and ${total - MAX_ROWS} more.` : '';
}
