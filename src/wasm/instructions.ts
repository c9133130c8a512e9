import { type Bytes, unfit } from './bytes.ts';

/*
 * Which instructions a module uses. Those of WebAssembly 2.0 and calls in tail position give the same on every machine, but for
 * the bits of a NaN. What came later is not let in: relaxed vectors differ from processor to processor, and nothing has been
 * said here of the rest.
 */

/** Bytes of one function: optimizing larger ones takes a processor for seconds, when nobody waits for it any more too. */
const MAX_FUNCTION_BYTES = 131_072;

/** One instruction's immediates. */
type Skip = (code: Bytes) => void;

const none: Skip = () => {};
const number: Skip = (code) => code.skipNumber();
const two: Skip = (code) => {
  code.skipNumber();
  code.skipNumber();
};
const skipping =
  (count: number): Skip =>
  (code) =>
    code.skip(count);
/** Alignment and offset. From 64 on the alignment says that another memory is meant. */
const address: Skip = (code) => {
  if (code.u32() >= 64) throw unfit('uses more than one memory');
  code.skipNumber();
};
const lane: Skip = (code) => {
  address(code);
  code.skip(1);
};
/** Nothing, one value, or the number of a type. */
const block: Skip = (code) => {
  const from = code.at;
  const first = code.byte();
  if (first === 0x40) return;
  code.at = from;
  // With its sign set it is no number.
  if (first < 0x80 && first > 0x40) return void code.valueType();
  code.u32();
  code.at -= 1;
  if ((code.byte() & 0x40) !== 0) throw unfit('has a block of a type that is none of WebAssembly 2.0');
};
const branches: Skip = (code) => {
  code.each(() => void code.u32());
  code.u32();
};

/** By first and last number. */
type Table = readonly (readonly [from: number, to: number, skip: Skip])[];

const PREFIX = { bulk: 0xfc, vector: 0xfd } as const;
const PLAIN: Table = [
  [0x00, 0x01, none],
  [0x02, 0x04, block],
  [0x05, 0x05, none],
  [0x0b, 0x0b, none],
  [0x0c, 0x0d, number],
  [0x0e, 0x0e, branches],
  [0x0f, 0x0f, none],
  [0x10, 0x10, number],
  [0x11, 0x11, two],
  [0x12, 0x12, number],
  [0x13, 0x13, two],
  [0x1a, 0x1b, none],
  [0x1c, 0x1c, (code) => code.each(() => void code.valueType())],
  [0x20, 0x26, number],
  [0x28, 0x3e, address],
  [0x3f, 0x42, number],
  [0x43, 0x43, skipping(4)],
  [0x44, 0x44, skipping(8)],
  [0x45, 0xc4, none],
  [0xd0, 0xd0, (code) => void code.valueType()],
  [0xd1, 0xd1, none],
  [0xd2, 0xd2, number],
];
const BULK: Table = [
  [0, 7, none],
  [8, 8, two],
  [9, 9, number],
  [10, 10, two],
  [11, 11, number],
  [12, 12, two],
  [13, 13, number],
  [14, 14, two],
  [15, 17, number],
];
const VECTOR: Table = [
  [0, 11, address],
  [12, 13, skipping(16)],
  [14, 20, none],
  [21, 34, skipping(1)],
  [35, 83, none],
  [84, 91, lane],
  [92, 93, address],
  [94, 255, none],
];

/** Throws `invalid_payload` for an instruction that is not known to give the same everywhere. */
export function checkInstructions(code: Bytes): void {
  const plain = lookup(PLAIN);
  const prefixed = new Map([
    [PREFIX.bulk, lookup(BULK)],
    [PREFIX.vector, lookup(VECTOR)],
  ] as [number, (Skip | undefined)[]][]);
  code.each(() => {
    const length = code.u32();
    if (length > MAX_FUNCTION_BYTES)
      throw unfit(`has a function of more than ${MAX_FUNCTION_BYTES} bytes`, 'too_large');
    const body = code.part(length);
    body.each(() => {
      body.u32();
      body.valueType();
    });
    while (!body.done) {
      const first = body.byte();
      const rest = prefixed.get(first);
      const second = rest === undefined ? undefined : body.u32();
      const skip = second === undefined ? plain[first] : rest?.[second];
      if (skip === undefined) throw unknown(first, second);
      skip(body);
    }
  });
}

function lookup(table: Table): (Skip | undefined)[] {
  const skips: (Skip | undefined)[] = [];
  for (const [from, to, skip] of table) for (let at = from; at <= to; at++) skips[at] = skip;
  return skips;
}

function unknown(first: number, second: number | undefined): Error {
  const hex = (value: number): string => `0x${value.toString(16).padStart(2, '0')}`;
  const name = second === undefined ? hex(first) : `${hex(first)} ${hex(second)}`;
  return unfit(`uses the instruction ${name}, which is none of WebAssembly 2.0`);
}
