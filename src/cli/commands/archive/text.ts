import { safeText } from '../../format.ts';

/** Characters that reorder or hide what stands around them (Unicode "Bidi_Control" and zero widths). */
const INVISIBLE = /[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;
const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** Text of an archive for one place on one line: nothing in it can move the cursor, break the line or reorder it. */
export function oneLine(text: string, maxChars = Number.POSITIVE_INFINITY): string {
  const line = safeText(text.replace(/\s+/gu, ' ')).replace(INVISIBLE, escaped);
  return line.length > maxChars ? `${line.slice(0, maxChars - 1)}…` : line;
}

export const shortHex = (hex: string, characters = 12): string => `${hex.slice(0, characters)}…`;

export const tick = (ok: boolean): string => (ok ? '✓' : '✗');

/** `512 bytes`, `1.2 KiB`, `3.4 MiB`. */
export function byteCount(count: number): string {
  if (count < 1024) return `${String(count)} bytes`;
  const mebibytes = count / 1_048_576;
  return mebibytes < 1 ? `${(count / 1024).toFixed(1)} KiB` : `${mebibytes.toFixed(1)} MiB`;
}

/** `name                    value` lines, as wide as other implementations of the command print them. */
export const header = (entries: readonly (readonly [name: string, value: string])[]): string[] =>
  entries.map(([name, value]) => `${`${name}:`.padEnd(24)}${oneLine(value)}`);

/** A heading over lines; nothing at all where there are none. */
export const section = (heading: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : ['', heading, ...lines.map((line) => `  ${line}`)];
