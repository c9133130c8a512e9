import { type Command, InvalidArgumentError } from 'commander';

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
  if (/^\d+(\.\d{1,6})?$/.test(text) && value > 0) return value;
  throw new InvalidArgumentError('It must be a number of credits above 0, with at most 6 decimals.');
}

export function hexId(text: string): string {
  if (/^[0-9a-f]{64}$/.test(text)) return text;
  throw new InvalidArgumentError('It must be 64 lowercase hex characters.');
}

/** For every list: how many, and from where. */
export const withPage = (command: Command): Command =>
  command
    .option('--limit <n>', 'at most so many, up to 500', integer(1, 500))
    .option('--cursor <c>', 'go on where the page before ended; it says how');

/** What `withPage` reads. */
export interface PageOptions {
  limit?: number;
  cursor?: string;
}

/** The query that it stands for. */
export const pageQuery = ({ limit, cursor }: PageOptions) => ({ limit, cursor });

/** A page for a person, and how to see the next one. */
export const withNext = (lines: string, cursor: string | null): string =>
  cursor === null ? lines : `${lines}\n(more: --cursor ${cursor})`;

/** For options that may be given several times. */
export const several = (value: string, before: string[] = []): string[] => [...before, value];
