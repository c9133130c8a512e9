import { isKeptNumber, unkeptNumber } from './json-numbers.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COLON = 0x3a;
const COMMA = 0x2c;
const MINUS = 0x2d;
const PLUS = 0x2b;
const POINT = 0x2e;
const SMALL_E = 0x65;
const LARGE_E = 0x45;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

/** Index of the quote that closes the string whose opening quote is at `start`; past the end where none does. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end >= 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end < 0 ? text.length : end;
}

/** Within a string: an odd number of backslashes stands before it. */
function isEscaped(text: string, at: number): boolean {
  let before = at - 1;
  while (text.charCodeAt(before) === BACKSLASH) before--;
  return (at - before) % 2 === 0;
}

/** Whether more than `maxDepth` objects and arrays are open at once, in a text that may not even be JSON. */
export function isNestedDeeper(text: string, maxDepth: number): boolean {
  let depth = 0;
  for (let index = 0; index < text.length; index++) {
    switch (text.charCodeAt(index)) {
      case QUOTE:
        index = endOfString(text, index);
        break;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        depth += 1;
        if (depth > maxDepth) return true;
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        depth -= 1;
        break;
    }
  }
  return false;
}

/** What makes a value unfit for I-JSON (RFC 7493), and where. */
export interface JsonProblem {
  /** Dotted path; empty for the value itself. */
  path: string;
  problem: string;
}

/** An object or array that is open, and where in it the walk is. */
interface Container {
  /** Names seen in an object so far; null for an array. */
  names: Set<string> | null;
  at: string | number;
}

/**
 * What `JSON.parse` lets pass without a word, although the text has lost something by then: the first name that
 * occurs twice in one object, however it is escaped, of which that parser keeps the last; and, as far as the walk goes
 * before, the first number that a double does not keep. `text` must be JSON that the parser has accepted.
 */
export function findLosses(text: string): { repeated: JsonProblem | null; unkept: JsonProblem | null } {
  const open: Container[] = [];
  let unkept: JsonProblem | null = null;
  let lastString = '';
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    switch (code) {
      case QUOTE: {
        const end = endOfString(text, index);
        lastString = text.slice(index, end + 1);
        index = end;
        break;
      }
      case COLON: {
        const name: string = JSON.parse(lastString);
        const object = open.at(-1);
        if (object === undefined) break;
        if (object.names?.has(name))
          return {
            repeated: {
              path: pathOf(open.slice(0, -1)),
              problem: `has the name ${JSON.stringify(name)} twice in one object`,
            },
            unkept,
          };
        object.names?.add(name);
        object.at = name;
        break;
      }
      case COMMA: {
        const array = open.at(-1);
        if (typeof array?.at === 'number') array.at += 1;
        break;
      }
      case OPEN_BRACE:
        open.push({ names: new Set(), at: '' });
        break;
      case OPEN_BRACKET:
        open.push({ names: null, at: 0 });
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        open.pop();
        break;
      default:
        if (code === MINUS || isDigit(code)) {
          const end = endOfNumber(text, index);
          if (unkept === null && !isKeptNumber(text.slice(index, end)))
            unkept = { path: pathOf(open), problem: unkeptNumber(text.slice(index, end)) };
          index = end - 1;
        }
    }
  }
  return { repeated: null, unkept };
}

const pathOf = (open: readonly Container[]): string => open.map(({ at }) => at).join('.');

const isDigit = (code: number): boolean => code >= DIGIT_0 && code <= DIGIT_9;

/** Past the last character of the number that starts at `start`. */
function endOfNumber(text: string, start: number): number {
  let end = start + 1;
  while (isNumberPart(text.charCodeAt(end))) end++;
  return end;
}

const isNumberPart = (code: number): boolean =>
  isDigit(code) || code === POINT || code === PLUS || code === MINUS || code === SMALL_E || code === LARGE_E;
