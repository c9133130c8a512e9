/*
 * Numbers that not every reader of JSON knows exactly. Readers differ: JavaScript has doubles, Python and Go have
 * integers of any or of 64 bits. What comes in with another value than was written would be stored, signed and
 * hashed as something that was not sent, so such a number is refused while its text is still there.
 */

/** A double keeps any number of 15 significant digits whose power of ten is far from its limits (IEEE 754). */
const ALWAYS_KEPT_DIGITS = 15;
const ALWAYS_KEPT_POWER = 250;
/** Digits that tell any double from all others; C's `%.17g` and .NET write all of them. */
const DOUBLE_DIGITS = 17;
/** From here on numbers are written with an exponent, and read as doubles everywhere. */
const EXPONENT_FROM = 1e21;

/** Longest excerpt of a literal in an error message. */
const SHOWN_CHARS = 40;

const FRACTION_OR_EXPONENT = /[.eE]/;
const DIGIT_0 = 0x30;
const ZERO: Decimal = { digits: '', power: 0 };

/**
 * Whether a double keeps the number of a JSON literal: written back in its shortest form (RFC 8785, 3.2.2.3) it has
 * the value that was given. A fraction may also be the 17 digits of the double that is kept, as other languages write
 * it. Not kept are 9007199254740993, 0.1234567890123456789, 1e400 and 1e-400; -0 has the value of 0.
 */
export function isKeptNumber(literal: string): boolean {
  const isShort = literal.length <= ALWAYS_KEPT_DIGITS;
  if (isShort && !literal.includes('e') && !literal.includes('E')) return true;
  const value = Number(literal);
  // Most often; the rest takes several times longer.
  if (!isShort && literal === String(value)) return true;
  const given = decimalOf(literal);
  if (given.digits.length <= ALWAYS_KEPT_DIGITS && Math.abs(given.power) <= ALWAYS_KEPT_POWER) return true;
  if (!Number.isFinite(value)) return false;
  if (isSame(given, decimalOf(String(value)))) return true;
  if (given.digits.length > DOUBLE_DIGITS || isUnsafeInteger(value)) return false;
  return FRACTION_OR_EXPONENT.test(literal) && isSame(given, decimalOf(value.toPrecision(DOUBLE_DIGITS)));
}

/** What is wrong with a number that is not kept, to follow its path. */
export function unkeptNumber(literal: string): string {
  const shown = literal.length > SHOWN_CHARS ? `${literal.slice(0, SHOWN_CHARS)}…` : literal;
  const kind = FRACTION_OR_EXPONENT.test(literal) ? 'number' : 'integer';
  return `is the ${kind} ${shown}, which not every reader knows exactly; it can be given as text`;
}

/** A number without its sign: `digits` times ten to the `power`. */
interface Decimal {
  /** Without zeros at either end; empty for 0. */
  digits: string;
  power: number;
}

const isSame = (a: Decimal, b: Decimal): boolean => a.digits === b.digits && a.power === b.power;

/** Without regular expressions: a frame of a peer may have a million numbers. */
function decimalOf(literal: string): Decimal {
  const mark = Math.max(literal.indexOf('e'), literal.indexOf('E'));
  const end = mark < 0 ? literal.length : mark;
  const point = literal.indexOf('.');
  const begin = literal.startsWith('-') ? 1 : 0;
  const all =
    point < 0 ? literal.slice(begin, end) : literal.slice(begin, point) + literal.slice(point + 1, end);
  let first = 0;
  while (all.charCodeAt(first) === DIGIT_0) first++;
  let last = all.length;
  while (last > first && all.charCodeAt(last - 1) === DIGIT_0) last--;
  if (first === last) return ZERO;
  const exponent = mark < 0 ? 0 : Number(literal.slice(mark + 1));
  const behindPoint = point < 0 ? 0 : end - point - 1;
  return { digits: all.slice(first, last), power: exponent - behindPoint + all.length - last };
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
