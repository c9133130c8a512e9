/*
 * Numbers that not every reader of JSON knows exactly. Readers differ: JavaScript has doubles, Python and Go have
 * integers of any or of 64 bits. What comes in with another value than was written would be stored, signed and
 * hashed as something that nobody sent, so such a number is refused while its text is still there.
 */

/** A double holds any decimal of 15 digits near one; shorter literals without an exponent need no look. */
const ALWAYS_KEPT_CHARS = 15;
/** Digits that tell any double from all others; C's `%.17g` and .NET write all of them. */
const DOUBLE_DIGITS = 17;
/** From here on numbers are written with an exponent, and read as doubles everywhere. */
const EXPONENT_FROM = 1e21;

/** Longest excerpt of a literal in an error message. */
const SHOWN_CHARS = 40;

const EXPONENT = /[eE]/;
const FRACTION_OR_EXPONENT = /[.eE]/;

/**
 * Whether a double keeps the number of a JSON literal: written back in its shortest form (RFC 8785, 3.2.2.3) it has
 * the value that was given. A fraction may also be the 17 digits of the double that is kept, as other languages write
 * it. Not kept are 9007199254740993, 0.1234567890123456789, 1e400 and 1e-400; -0 has the value of 0.
 */
export function isKeptNumber(literal: string): boolean {
  if (literal.length <= ALWAYS_KEPT_CHARS && !EXPONENT.test(literal)) return true;
  const value = Number(literal);
  if (!Number.isFinite(value)) return false;
  const shortest = String(value);
  if (literal === shortest) return true;
  const given = decimalOf(literal);
  if (given === decimalOf(shortest)) return true;
  if (isUnsafeInteger(value) || !FRACTION_OR_EXPONENT.test(literal)) return false;
  return given === decimalOf(value.toPrecision(DOUBLE_DIGITS));
}

/** What is wrong with a number that is not kept, to follow its path. */
export function unkeptNumber(literal: string): string {
  const shown = literal.length > SHOWN_CHARS ? `${literal.slice(0, SHOWN_CHARS)}…` : literal;
  const kind = FRACTION_OR_EXPONENT.test(literal) ? 'number' : 'integer';
  return `is the ${kind} ${shown}, which not every reader knows exactly; it can be given as text`;
}

/** Digits without zeros at either end, and the power of ten behind them; the sign is left out. */
function decimalOf(literal: string): string {
  const [mantissa = '', exponent = '0'] = literal.split(EXPONENT);
  const point = mantissa.indexOf('.');
  const digits = mantissa.replace(/[-.]/g, '');
  let start = 0;
  while (digits[start] === '0') start++;
  let end = digits.length;
  while (end > start && digits[end - 1] === '0') end--;
  if (start === end) return '0';
  const behindPoint = point < 0 ? 0 : mantissa.length - point - 1;
  return `${digits.slice(start, end)}e${String(Number(exponent) - behindPoint + digits.length - end)}`;
}

/**
 * The first number of a value without a text that is an integer above 2^53 - 1: it may have been another one when it
 * was read, and a reader that has such integers may hash another (RFC 7493, 2.2). Null where there is none.
 */
export function findUnsafeInteger(value: unknown): number | null {
  if (typeof value === 'number') return isUnsafeInteger(value) ? value : null;
  if (typeof value !== 'object' || value === null) return null;
  for (const member of Object.values(value)) {
    const found = findUnsafeInteger(member);
    if (found !== null) return found;
  }
  return null;
}

/** Above 2^53 - 1 and written without an exponent. */
function isUnsafeInteger(value: number): boolean {
  return Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) < EXPONENT_FROM;
}
