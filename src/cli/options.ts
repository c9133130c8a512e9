import { type Command, InvalidArgumentError } from 'commander';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import { isKeptNumber } from '../lib/json-numbers.ts';

/** What a ZIP without extensions can hold. */
const MAX_ENTRIES = 65_534;
const MAX_BYTES = 4_294_967_294;

/** For `.option('--retries <n>', …, integer(0, 10))`. */
export function integer(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(
      `It must be a whole number from ${String(minimum)} to ${String(maximum)}.`,
    );
  };
}

/** Bounds of what is read as an archive; the defaults are the format's. */
export const bounded = (command: Command): Command =>
  command
    .option('--max-entries <n>', 'most files in the archive (default: 10000)', integer(1, MAX_ENTRIES))
    .option('--max-bytes <n>', 'most bytes of it, unpacked (default: 1073741824)', integer(1, MAX_BYTES));

/** A positive amount of credits with at most six decimals. */
export function amount(text: string): number {
  const value = Number(text);
  const inBounds = value > 0 && value <= LIMITS.maxAmountCredits;
  if (/^\d+(\.\d{1,6})?$/.test(text) && inBounds && isKeptNumber(text)) return value;
  throw new InvalidArgumentError(
    `It must be a number of credits above 0, at most ${String(LIMITS.maxAmountCredits)}, with at most 6 decimals.`,
  );
}

/** ms of each unit; a number without one is ms. */
const UNITS: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

/** For `.option('--timeout <time>', …, duration(1, 86_400_000))`: `500ms`, `5s`, `1.5m`, `2h`, or ms. Gives ms. */
export function duration(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const [, digits, unit = ''] = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h)?$/.exec(text) ?? [];
    const value = Number(digits) * (UNITS.get(unit) ?? 1);
    if (Number.isInteger(value) && value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(
      `It must be a time such as 500ms, 5s or 2m, from ${String(minimum)}ms to ${String(maximum / 3_600_000)}h; without a unit it is milliseconds.`,
    );
  };
}

/** For options that may be given several times. */
export const several = (value: string, before: string[] = []): string[] => [...before, value];

/** Options of every list. */
export interface PageOptions {
  limit?: number;
  cursor?: string;
}

/** For every list: how many, and from where. */
export const withPages = (command: Command): Command =>
  command
    .option('--limit <n>', 'at most so many, up to 500', integer(1, 500))
    .option('--cursor <cursor>', 'go on where the page ended that gave this');

/** What follows a page that is not the last. */
export const furtherPages = ({ cursor }: { cursor: string | null }): string =>
  cursor === null ? '' : `\n(more: --cursor ${cursor})`;

/** `--out` of what prints text or a document. */
export const withOut = (command: Command, what: string): Command =>
  command
    .option('--out <file>', `write ${what} to a file`)
    .option('--force', 'replace the file that has the name already');

export interface OutOptions {
  out?: string;
  force?: boolean;
}
