import { Bytes, unfit } from './bytes.ts';

/** What begins a module, of version 1. */
const PREAMBLE = '\0asm\x01\0\0\0';
/** Sections by number, as the binary format has them; the others are not looked into. */
const SECTION = { types: 1, imports: 2, tables: 4, memories: 5, exports: 7, code: 10 } as const;
const FUNCTION = 0;
const FUNCTION_TYPE = 0x60;
/** References to functions, and to what is outside. */
const TABLE_TYPES = [0x70, 0x6f];
/** Tables of one module: compilers make one or two. */
const MAX_TABLES = 16;

export interface Limits {
  readonly minimum: number;
  readonly maximum: number | null;
}

/** A section that is written anew with a lower bound: where it begins and ends, and what stands before each limit. */
export interface Bounded {
  readonly id: number;
  readonly from: number;
  readonly end: number;
  readonly entries: readonly (Limits & { readonly prefix: readonly number[] })[];
}

export interface WasmImport {
  readonly from: string;
  readonly name: string;
  /** Number of its type. */
  readonly type: number;
}

/** What is told of a module without compiling it. */
export interface Sections {
  /** Types of functions, as text: parameters and results, one byte each. */
  readonly types: readonly string[];
  readonly imports: readonly WasmImport[];
  /** Names of exported functions. */
  readonly functions: ReadonlySet<string>;
  readonly tables: Bounded | null;
  readonly memories: Bounded | null;
  readonly code: Bytes | null;
}

/** Reads what matters here; the engine validates the rest when it compiles. Throws `invalid_payload` for what is no module. */
export function readSections(bytes: Uint8Array): Sections {
  const preamble = Buffer.from(bytes.subarray(0, PREAMBLE.length)).toString('latin1');
  if (preamble.slice(0, 4) !== PREAMBLE.slice(0, 4)) throw unfit('is no WebAssembly');
  if (preamble !== PREAMBLE) throw unfit('is of another version of WebAssembly than 1, or a component');
  const all = new Bytes(bytes, PREAMBLE.length);
  const found = {
    types: [] as string[],
    imports: [] as WasmImport[],
    functions: new Set<string>(),
    tables: null as Bounded | null,
    memories: null as Bounded | null,
    code: null as Bytes | null,
  };
  let last = 0;
  while (!all.done) {
    const from = all.at;
    const id = all.byte();
    const part = all.part(all.u32());
    if (id !== 0 && Object.values<number>(SECTION).includes(id)) {
      if (id <= last) throw unfit('has its sections in a wrong order');
      last = id;
    }
    if (id === SECTION.types) part.each(() => void found.types.push(typeOf(part)));
    else if (id === SECTION.imports) part.each(() => void found.imports.push(importOf(part)));
    else if (id === SECTION.tables)
      found.tables = boundedOf(part, { id, from, read: tableOf, most: MAX_TABLES });
    else if (id === SECTION.memories) found.memories = boundedOf(part, { id, from, read: () => [], most: 1 });
    else if (id === SECTION.exports) {
      part.each(() => {
        const name = part.name();
        if (part.byte() === FUNCTION) found.functions.add(name);
        part.u32();
      });
    } else if (id === SECTION.code) found.code = part;
  }
  return found;
}

function typeOf(part: Bytes): string {
  if (part.byte() !== FUNCTION_TYPE) throw unfit('has types other than those of functions');
  const list = (): string => {
    let text = '';
    part.each(() => (text += part.valueType().toString(16)));
    return text;
  };
  return `${list()}:${list()}`;
}

function importOf(part: Bytes): WasmImport {
  const from = part.name();
  const name = part.name();
  if (part.byte() !== FUNCTION)
    throw unfit(`imports "${name}" from "${from}", which is no function: nothing else is here`);
  return { from, name, type: part.u32() };
}

function tableOf(part: Bytes): number[] {
  const type = part.byte();
  if (!TABLE_TYPES.includes(type)) throw unfit('has a table of a kind that is not known here');
  return [type];
}

function boundedOf(
  part: Bytes,
  { id, from, read, most }: { id: number; from: number; read: (part: Bytes) => number[]; most: number },
): Bounded {
  const entries: Bounded['entries'][number][] = [];
  part.each(() => {
    if (entries.length >= most) throw unfit(`has more than ${most === 1 ? 'one memory' : `${most} tables`}`);
    const prefix = read(part);
    const flags = part.byte();
    // Others: shared with other threads, or addressed with 64 bits.
    if (flags > 1) throw unfit('has a memory or a table that is shared or larger than 32 bits can address');
    entries.push({ prefix, minimum: part.u32(), maximum: flags === 1 ? part.u32() : null });
  });
  return { id, from, end: part.end, entries };
}
