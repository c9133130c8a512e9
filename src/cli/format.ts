/** Rows under a heading, columns as wide as their widest cell; one line where there is nothing. */
export function table(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  empty: string,
): string {
  if (rows.length === 0) return empty;
  const lines = [heading, ...rows];
  const widths = heading.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) => line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
    .map((line) => line.trimEnd())
    .join('\n');
}

/** `1 step`, `2 steps`; `1 entry`, `2 entries`. */
export function plural(count: number, word: string): string {
  return `${String(count)} ${count === 1 ? word : word.replace(/(y?)$/, (y) => (y ? 'ies' : 's'))}`;
}

/** `name  value` lines; the further lines of a value stand below its first. */
export function facts(entries: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...entries.map(([name]) => name.length));
  const below = `\n${' '.repeat(width + 2)}`;
  return entries
    .map(([name, value]) => `${name.padEnd(width)}  ${value.replaceAll('\n', below)}`.trimEnd())
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
export const shortNode = (nodeId: string | null): string =>
  nodeId === null ? '-' : nodeId.length > 16 ? `…${nodeId.slice(-8)}` : nodeId;

/** What a person reads for a status: an announced capsule is one that waits for somebody to take it. */
export const statusText = (status: string): string => (status === 'announced' ? 'waiting' : status);

export const credits = (amount: number): string => `${String(amount)} cr`;

export const bytes = (count: number): string => `${(count / 1_048_576).toFixed(0)} MiB`;

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

/** What reorders the text around it (Unicode "Bidi_Control") or ends a line where nobody sees it. */
const REORDERING = '\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069';
const UNSAFE_TEXT = new RegExp(`(?![\\n\\t])\\p{Cc}|[${REORDERING}]`, 'gu');
/** What JSON leaves as it is, and a terminal may take for a command or a person for something else. */
const UNSAFE_JSON = new RegExp(`[\\u007f-\\u009f${REORDERING}]`, 'g');

/** `\u202e`, as JSON writes it too. */
export const unicodeEscape = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** Characters of untrusted text that could drive a terminal or reorder it, made visible; line breaks and tabs stay. */
export function safeText(text: string): string {
  return text.replace(UNSAFE_TEXT, (character) => {
    if (character === '\r') return '';
    const code = character.charCodeAt(0);
    return code > 0xff ? unicodeEscape(character) : `\\x${code.toString(16).padStart(2, '0')}`;
  });
}

/** Untrusted text in at most `room` characters of one line. */
export function oneLine(text: string, room: number): string {
  const line = safeText(text).replaceAll(/\s+/g, ' ');
  return line.length <= room ? line : `${line.slice(0, Math.max(0, room - 1))}…`;
}

/** The same document, with such characters written as JSON's own escapes. */
export const safeJson = (document: unknown, indent = 0): string =>
  JSON.stringify(document, null, indent).replace(UNSAFE_JSON, unicodeEscape);
