import { rawZip } from '../../support/raw-zip.ts';

/** Numbers from 0 to below 1, the same for the same seed. */
export type Random = () => number;

const below = (random: Random, limit: number): number => Math.floor(random() * limit);

/** One way to damage an archive; `others` is where bytes may be taken from. */
type Mutation = (bytes: Uint8Array, random: Random, others: readonly Uint8Array[]) => Uint8Array;

/** First two bytes of every ZIP signature, and the second half of those that are in archives. */
const SIGNATURE = [0x50, 0x4b];
const HEADERS: readonly { kind: number; length: number }[] = [
  { kind: 0x0403, length: 30 },
  { kind: 0x0201, length: 46 },
  { kind: 0x0605, length: 22 },
];
const EDGES = [0, 1, 2, 8, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0xfffffffe, 0xffffffff];
const END_SIGNATURE = 0x06054b50;
const END_BYTES = 22;
const NAME_PIECES = [
  '../',
  '/',
  'C:',
  '\\',
  '\0',
  '.',
  'a',
  'payload/',
  'program.md',
  'manifest.json',
  'content.enc',
  'é',
];
const MAX_FLIPS = 8;
const MAX_RUN_BYTES = 64;

const flipBits: Mutation = (bytes, random) => {
  const copy = Uint8Array.from(bytes);
  for (let left = 1 + below(random, MAX_FLIPS); left > 0; left -= 1) {
    const at = below(random, copy.length);
    copy[at] = (copy[at] ?? 0) ^ (1 << below(random, 8));
  }
  return copy;
};

const truncate: Mutation = (bytes, random) => bytes.slice(0, below(random, bytes.length));

const removeRun: Mutation = (bytes, random) => {
  const at = below(random, bytes.length);
  return joined(bytes.subarray(0, at), bytes.subarray(at + 1 + below(random, MAX_RUN_BYTES)));
};

const repeatRun: Mutation = (bytes, random) => {
  const at = below(random, bytes.length);
  const end = at + 1 + below(random, MAX_RUN_BYTES);
  return joined(bytes.subarray(0, end), bytes.subarray(at));
};

const insertNoise: Mutation = (bytes, random) => {
  const at = below(random, bytes.length + 1);
  const noise = Uint8Array.from({ length: 1 + below(random, MAX_RUN_BYTES) }, () => below(random, 256));
  return joined(bytes.subarray(0, at), noise, bytes.subarray(at));
};

/** The beginning of one archive and the end of another. */
const splice: Mutation = (bytes, random, others) => {
  const other = others[below(random, others.length)] ?? bytes;
  return joined(bytes.subarray(0, below(random, bytes.length)), other.subarray(below(random, other.length)));
};

/** One field of one header, to a value at an edge or next to what it was. */
const editHeader: Mutation = (bytes, random) => {
  const copy = Uint8Array.from(bytes);
  const headers = headersIn(copy);
  const header = headers[below(random, headers.length)];
  if (header === undefined) return flipBits(bytes, random, []);
  const view = new DataView(copy.buffer);
  const wide = random() < 0.5;
  const at = header.at + 4 + 2 * below(random, (header.length - (wide ? 8 : 6)) / 2 + 1);
  const before = wide ? view.getUint32(at, true) : view.getUint16(at, true);
  const edge = EDGES[below(random, EDGES.length)] ?? 0;
  const value = random() < 0.5 ? edge : before + below(random, 5) - 2;
  if (wide) view.setUint32(at, value, true);
  else view.setUint16(at, value, true);
  return copy;
};

/** One hex digit, letter or sign of a text to another, so that documents stay close to well-formed. */
const editText: Mutation = (bytes, random) => {
  const copy = Uint8Array.from(bytes);
  const alphabet = '0123456789abcdefABCDEF"{}[]:,\\ \n/.-';
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const at = below(random, copy.length);
    if (!alphabet.includes(String.fromCharCode(copy[at] ?? 0))) continue;
    copy[at] = alphabet.charCodeAt(below(random, alphabet.length));
    break;
  }
  return copy;
};

/** A whole entry more, in all three places where a ZIP tells of it; its name is made of what names are attacked with. */
const insertEntry: Mutation = (bytes, random) => {
  const end = bytes.length - END_BYTES;
  if (end < 0) return bytes;
  const tail = new DataView(bytes.buffer, bytes.byteOffset + end, END_BYTES);
  const directory = tail.getUint32(16, true);
  if (tail.getUint32(0, true) !== END_SIGNATURE || directory > end) return bytes;
  const pieces = Array.from(
    { length: 1 + below(random, 4) },
    () => NAME_PIECES[below(random, NAME_PIECES.length)],
  );
  const entry = rawZip([{ name: pieces.join(''), content: 'x', before: bytes.slice(0, directory) }]);
  const view = new DataView(entry.buffer);
  const added = view.getUint32(entry.length - END_BYTES + 16, true);
  const whole = joined(
    entry.subarray(0, added),
    bytes.subarray(directory, end),
    entry.subarray(added, -END_BYTES),
    bytes.subarray(end),
  );
  const record = new DataView(whole.buffer, whole.length - END_BYTES);
  const count = record.getUint16(10, true) + 1;
  record.setUint16(8, count, true);
  record.setUint16(10, count, true);
  record.setUint32(12, whole.length - END_BYTES - added, true);
  record.setUint32(16, added, true);
  return whole;
};

const MUTATIONS: readonly Mutation[] = [
  flipBits,
  truncate,
  removeRun,
  repeatRun,
  insertNoise,
  splice,
  editHeader,
  editHeader,
  editHeader,
  editText,
  insertEntry,
];

/** One to three ways at once, mostly one: what is damaged everywhere is refused at once and tests little. */
export function mutated(bytes: Uint8Array, random: Random, others: readonly Uint8Array[]): Uint8Array {
  let result = bytes;
  for (let left = random() < 0.7 ? 1 : 2 + below(random, 2); left > 0 && result.length > 0; left -= 1) {
    const mutation = MUTATIONS[below(random, MUTATIONS.length)] ?? flipBits;
    result = mutation(result, random, others);
  }
  return result;
}

function headersIn(bytes: Uint8Array): { at: number; length: number }[] {
  const found: { at: number; length: number }[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + 22 <= bytes.length; at += 1) {
    if (bytes[at] !== SIGNATURE[0] || bytes[at + 1] !== SIGNATURE[1]) continue;
    const header = HEADERS.find(({ kind }) => kind === view.getUint16(at + 2, true));
    if (header !== undefined && at + header.length <= bytes.length) found.push({ at, length: header.length });
  }
  return found;
}

const joined = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
