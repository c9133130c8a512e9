import { MeshError } from '../../lib/errors.ts';
import { toHex } from '../../lib/hex.ts';
import type { ArchiveComponents } from '../types.ts';
import { FRAME_CLOSE, FRAME_OPEN } from './text.ts';

/** Bytes of randomness in a delimiter: nobody who wrote the content can have guessed it. */
const DELIMITER_BYTES = 16;
/** Content that holds a fresh delimiter is a once-in-2^128 event; twice in a row means that the randomness is broken. */
const MAX_DRAWS = 8;

/** A run of lines that belong together. Every line is `modelText` already; `label` and `note` are the host's own words. */
export interface Block {
  /** What is between the frame lines: somebody's words, unless it is somebody's instructions. */
  frame?: 'instructions' | 'quoted';
  label: string;
  /** For the caller, not for the model. */
  source: string;
  lines: readonly string[];
  /** Which lines to keep where not all have room: the first, or where it is `ends` the first and the last. */
  keep?: 'head' | 'ends';
  /** Says what is missing, when `missing` of the lines do not fit. */
  note: (missing: number) => string;
  /** Lines that were not even made, since there would never be room: after those of `head`, amid those of `ends`. */
  unmade: number;
  /** Some line is shorter than what it is about. */
  cut?: boolean;
  /** How much of what is scarce it gets, in relation to the others; 1 where it is left out. */
  weight?: number;
}

/** Characters of two frame lines, of two more around a gap, and of the note. */
export const FRAME_CHARS = 480;
/** `> ` and the line feed. */
const QUOTE_CHARS = 3;

export const needOf = ({ lines }: Pick<Block, 'lines'>): number =>
  lines.reduce((sum, line) => sum + line.length + QUOTE_CHARS, 0);

/** 32 hex characters that occur in none of the texts. Throws `internal` when the host's randomness repeats itself. */
export function drawDelimiter({ crypto }: ArchiveComponents, texts: readonly string[]): string {
  for (let draw = 0; draw < MAX_DRAWS; draw++) {
    const delimiter = toHex(crypto.randomBytes(DELIMITER_BYTES));
    if (!texts.some((text) => text.includes(delimiter))) return delimiter;
  }
  throw new MeshError('internal', 'The random delimiters of this host can be foretold.');
}

/** A block in its frame, with as many lines as `room` characters hold; the frame itself is not counted. */
export function framed(block: Block, delimiter: string, room: number): { text: string; cut: boolean } {
  const { head, tail } = kept(block, room);
  const missing = block.lines.length - head.length - tail.length + block.unmade;
  const parts = head.length > 0 || missing === 0 ? [frame(block, delimiter, head)] : [];
  if (missing > 0) parts.push(`(${block.note(missing)})`);
  if (tail.length > 0) parts.push(frame(block, delimiter, tail));
  return { text: parts.join('\n'), cut: missing > 0 || block.cut === true };
}

function frame(
  { frame: kind = 'quoted', label }: Block,
  delimiter: string,
  lines: readonly string[],
): string {
  const begin = `${FRAME_OPEN}${kind} ${delimiter} ${label}${FRAME_CLOSE}`;
  const end = `${FRAME_OPEN}end ${delimiter}${FRAME_CLOSE}`;
  // The sign in front of every line is a second wall: no quoted line can begin as a frame line does.
  const body = kind === 'quoted' ? lines.map((line) => `> ${line}`) : lines;
  return [begin, ...body, end].join('\n');
}

function kept({ lines, keep, unmade }: Block, room: number): { head: string[]; tail: string[] } {
  if (unmade === 0 && needOf({ lines }) <= room) return { head: [...lines], tail: [] };
  const head: string[] = [];
  const tail: string[] = [];
  let left = room;
  /** A quarter tells how it began; the rest is for how things stand. */
  const reserved = keep === 'ends' ? room * 0.75 : 0;
  for (const line of lines) {
    const size = line.length + QUOTE_CHARS;
    if (left - size < reserved) break;
    head.push(line);
    left -= size;
  }
  if (keep === 'ends') {
    for (let index = lines.length - 1; index >= head.length; index--) {
      const line = lines[index] ?? '';
      if (left < line.length + QUOTE_CHARS) break;
      tail.push(line);
      left -= line.length + QUOTE_CHARS;
    }
  }
  return { head, tail: tail.reverse() };
}

/**
 * Characters for each demand, at most `room` together: nobody gets more than its need, and what the small ones leave is
 * shared among the others by weight. In the order of the demands.
 */
export function shares(demands: readonly { need: number; weight: number }[], room: number): number[] {
  const given = demands.map(() => 0);
  let left = room;
  let weights = demands.reduce((sum, { weight }) => sum + weight, 0);
  // Whoever needs least for its weight is content first, so that all others know what is left for them.
  const ordered = [...demands.entries()].sort(([, a], [, b]) => a.need / a.weight - b.need / b.weight);
  for (const [index, { need, weight }] of ordered) {
    const share = Math.min(need, Math.floor((left * weight) / weights));
    given[index] = share;
    left -= share;
    weights -= weight;
  }
  return given;
}
