import { InvalidArgumentError } from 'commander';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import { isKeptNumber } from '../lib/json-numbers.ts';
import { flag, option, type Values } from './option.ts';

/** What a ZIP without extensions can hold. */
const MAX_ENTRIES = 65_534;
const MAX_BYTES = 4_294_967_294;

/** For `retries: option('<n>', …, integer(0, 10))`. */
export function integer(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(
      `It must be a whole number from ${String(minimum)} to ${String(maximum)}.`,
    );
  };
}

/** ms for what walks a whole chain or book. */
export const WALK_TIMEOUT_MS = 600_000;

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
  ['d', 86_400_000],
]);

/** ms of `500ms`, `5s`, `1.5m`, `2h`, `90d`, or of a number alone; NaN for anything else. */
export function durationOf(text: string): number {
  const [, digits, unit = ''] = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)?$/.exec(text) ?? [];
  return Number(digits) * (UNITS.get(unit) ?? 1);
}

/** For `timeout: option('<time>', …, duration(1, 86_400_000))`: `500ms`, `5s`, `1.5m`, `2h`, or ms. Gives ms. */
export function duration(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = durationOf(text);
    if (Number.isInteger(value) && value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(
      `It must be a time such as 500ms, 5s or 2m, from ${String(minimum)}ms to ${String(maximum / 3_600_000)}h; without a unit it is milliseconds.`,
    );
  };
}

/** The one document of a program; every command takes it. */
export const JSON_ONLY = { json: flag('print one JSON document and nothing else on standard output') };
export type JsonOption = Values<typeof JSON_ONLY>;

/** Of every command that knows a data directory. */
export const DATA = {
  ...JSON_ONLY,
  data: option('<dir>', 'data directory (default: CAPSULE_DATA, else ~/.capsule)'),
};
export type DataOptions = Values<typeof DATA>;

/** Of every command that calls a node. */
export const NODE = {
  ...DATA,
  apiUrl: option(
    '<url>',
    'call the node at this address, with CAPSULE_API_TOKEN (default: the data directory’s)',
  ),
  plainHttp: flag('send the token over plain HTTP to another machine all the same'),
};
export type NodeOptions = Values<typeof NODE>;

/** Of every list: how many, and from where. */
export const PAGES = {
  limit: option('<n>', 'at most so many, up to 500', integer(1, 500)),
  cursor: option('<cursor>', 'go on where the page ended that gave this'),
};

/** The part of a request that asks for a page. */
export const pageOf = ({ limit, cursor }: Values<typeof PAGES>): Values<typeof PAGES> => ({ limit, cursor });

/** Of what prints a text or a document that may go to a file. */
export const outputOf = (what: string) => ({
  out: option('<file>', `write ${what} to a file`),
  force: flag('replace the file that has the name already'),
});
export type OutOptions = Values<ReturnType<typeof outputOf>>;

/** Of what reads an archive; the defaults are the format's. */
export const BOUNDS = {
  maxEntries: option('<n>', 'most files in the archive (default: 10000)', integer(1, MAX_ENTRIES)),
  maxBytes: option('<n>', 'most bytes of it, unpacked (default: 1073741824)', integer(1, MAX_BYTES)),
};
