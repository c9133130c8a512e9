import { terminalLine, terminalText } from '../lib/untrusted-text.ts';

/** How an answer for a person is laid out. */
export interface Layout {
  /** Characters of a line that a table must fit; undefined in a pipe, and where nothing is to be shortened. */
  columns: number | undefined;
  /** Ids in full. */
  whole: boolean;
  colour: boolean;
}

/** Characters to which a column may be narrowed: enough of an id to tell it from others. */
const NARROWEST = 9;
const GAP = 2;
/** Headings and names of values that are a state. */
const STATES: ReadonlySet<string> = new Set(['STATUS', 'STATE', 'status']);
/** By the first word of a state: green is well, red is not, yellow goes on. */
const COLOURS: ReadonlyMap<string, number> = new Map([
  ...['completed', 'ready', 'granted', 'offered', 'succeeded', 'success'].map((word) => [word, 32] as const),
  ...['failed', 'safe_mode', 'unavailable'].map((word) => [word, 31] as const),
  ...['executing', 'waiting', 'pending', 'cancelled'].map((word) => [word, 33] as const),
]);
const ESCAPE = '\u001b';
const OWN_STYLE = new RegExp(`(${ESCAPE}\\[3[1-39]m)`);

/** A state in its colour, where there are colours. */
export function coloured(state: string, { colour }: Layout): string {
  const code = colour ? COLOURS.get(state.trimEnd().split(/[ :]/, 1)[0] ?? '') : undefined;
  return code === undefined ? state : `${ESCAPE}[${String(code)}m${state}${ESCAPE}[39m`;
}

/** Text as it may reach a terminal; of all controls only the colours of `coloured` are kept. */
export const printable = (text: string, { colour }: Layout): string =>
  colour
    ? text
        .split(OWN_STYLE)
        .map((part, index) => (index % 2 === 1 ? part : terminalText(part)))
        .join('')
    : terminalText(text);

/** Of each column its heading and what stands below it. */
export type Columns<T> = Readonly<Record<string, (row: T, layout: Layout) => string>>;

/** Rows under a heading, columns as wide as their widest cell or as fits; one line where there is nothing. */
export function table<T>(rows: readonly T[], columns: Columns<T>, empty: string, layout: Layout): string {
  if (rows.length === 0) return empty;
  const heading = Object.keys(columns);
  const cells = rows.map((row) => Object.values(columns).map((cell) => terminalLine(cell(row, layout))));
  const lines = [heading, ...cells];
  const widths = heading.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  narrow(heading, widths, layout.columns);
  return lines
    .map((line, row) =>
      line
        .map((cell, column) => {
          const text = shortened(cell, widths[column] ?? 0).padEnd(widths[column] ?? 0);
          return row > 0 && STATES.has(heading[column] ?? '') ? coloured(text, layout) : text;
        })
        .join(' '.repeat(GAP))
        .trimEnd(),
    )
    .join('\n');
}

/** What follows a page that is not the last. */
export const furtherPages = (cursor: string | null): string =>
  cursor === null ? '' : `\n(more: --cursor ${cursor})`;

/** Takes from the widest columns what does not fit. */
function narrow(heading: readonly string[], widths: number[], columns = Number.POSITIVE_INFINITY): void {
  const least = heading.map((name) => Math.max(name.length, NARROWEST));
  let over = widths.reduce((sum, width) => sum + width + GAP, -GAP) - columns;
  while (over > 0) {
    const spare = widths.map((width, column) => (width > (least[column] ?? 0) ? width : 0));
    const widest = spare.indexOf(Math.max(...spare));
    if (spare[widest] === 0) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
    over--;
  }
}

const NODE_ID = /^(?:12D3|16Uiu|Qm)[1-9A-HJ-NP-Za-km-z]{30,}$/;

/** A cell in `width` characters; ids of nodes all begin alike, so of them the end is kept. */
function shortened(cell: string, width: number): string {
  if (cell.length <= width) return cell;
  return NODE_ID.test(cell) ? `…${cell.slice(1 - width)}` : `${cell.slice(0, width - 1).toWellFormed()}…`;
}

/** `1 step`, `2 steps`; `1 entry`, `2 entries`. */
export function plural(count: number, word: string): string {
  return `${String(count)} ${count === 1 ? word : word.replace(/(y?)$/, (y) => (y ? 'ies' : 's'))}`;
}

/** `name  value` lines; the further lines of a value stand below its first. */
export function facts(entries: readonly (readonly [name: string, value: string])[], layout?: Layout): string {
  const width = Math.max(...entries.map(([name]) => name.length));
  const below = `\n${' '.repeat(width + GAP)}`;
  return entries
    .map(([name, value]) => {
      const clean = terminalText(value).replaceAll('\n', below);
      const shown = layout !== undefined && STATES.has(name) ? coloured(clean, layout) : clean;
      return `${name.padEnd(width)}  ${shown}`.trimEnd();
    })
    .join('\n');
}

/** `850 ms`, `3.2 s`, `4 min`, `5 h`, `3 d`. */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (ms < 1000) return `${ms < 10 && ms > 0 ? ms.toFixed(1) : String(Math.round(ms))} ms`;
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  if (seconds < 6000) return `${String(Math.round(seconds / 60))} min`;
  if (seconds < 172_800) return `${String(Math.round(seconds / 3600))} h`;
  return `${String(Math.round(seconds / 86_400))} d`;
}

export const time = (at: number): string => new Date(at).toISOString().replace('T', ' ').slice(0, 19);

/** Enough of a peer id, whose first half is the same for all, to tell nodes apart. */
export const shortNode = (nodeId: string | null, layout?: Layout): string =>
  nodeId === null ? '-' : nodeId.length > 16 && !layout?.whole ? `…${nodeId.slice(-8)}` : nodeId;

/**
 * What a person reads for a status: an announced capsule is one that waits for somebody to take it, and one that was
 * cancelled has failed for no fault of anybody.
 */
export function statusText(status: string, error: { code: string } | null = null): string {
  if (status === 'failed' && error?.code === 'cancelled') return 'cancelled';
  return status === 'announced' ? 'waiting' : status;
}

export const credits = (amount: number): string => `${String(amount)} cr`;

/** A tree as lines, drawn with branches. */
export function tree<T>(root: T, label: (node: T) => string, children: (node: T) => readonly T[]): string {
  const draw = (node: T, first: string, rest: string): string[] => {
    const below = children(node);
    return [
      first + label(node),
      ...below.flatMap((child, index) =>
        index === below.length - 1
          ? draw(child, `${rest}└─ `, `${rest}   `)
          : draw(child, `${rest}├─ `, `${rest}│  `),
      ),
    ];
  };
  return draw(root, '', '').join('\n');
}
