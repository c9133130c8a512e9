export { terminalLine as oneLine } from '../../../lib/untrusted-text.ts';

import { terminalLine as oneLine } from '../../../lib/untrusted-text.ts';

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
