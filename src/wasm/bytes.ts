import { MeshError } from '../lib/errors.ts';

/** Bytes of a number of 32 bits and of 64, seven bits in each. */
const MAX_U32_BYTES = 5;
const MAX_U64_BYTES = 10;
/** Bytes of a name: compilers write some of hundreds; a longer one is a mistake or meant to fill the memory. */
const MAX_NAME_BYTES = 4_096;

/** Numbers of 32 and 64 bits, vectors, references to functions and to what is outside. */
const VALUE_TYPES = [0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f];

/** What is wrong with a module. `clause` goes on after "The module". */
export function unfit(clause: string, code: 'invalid_payload' | 'too_large' = 'invalid_payload'): MeshError {
  return new MeshError(code, `The module ${clause}.`);
}

/** Reads the parts that a module in WebAssembly's binary format is made of. Throws `invalid_payload`. */
export class Bytes {
  readonly #bytes: Uint8Array;
  readonly end: number;
  at: number;

  constructor(bytes: Uint8Array, from = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.at = from;
    this.end = end;
  }

  get done(): boolean {
    return this.at >= this.end;
  }

  byte(): number {
    const value = this.at < this.end ? this.#bytes[this.at++] : undefined;
    if (value === undefined) throw unfit('breaks off: it is cut short, or no WebAssembly');
    return value;
  }

  u32(): number {
    let value = 0;
    for (let count = 0; count < MAX_U32_BYTES; count++) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** (7 * count);
      if (byte < 0x80) {
        if (value > 0xffff_ffff) break;
        return value;
      }
    }
    throw unfit('has a number that is too long');
  }

  /** Steps over a number of up to 64 bits, with or without sign. */
  skipNumber(): void {
    for (let count = 0; count < MAX_U64_BYTES; count++) if (this.byte() < 0x80) return;
    throw unfit('has a number that is too long');
  }

  skip(count: number): void {
    if (count > this.end - this.at) throw unfit('breaks off: it is cut short, or no WebAssembly');
    this.at += count;
  }

  valueType(): number {
    const type = this.byte();
    if (!VALUE_TYPES.includes(type)) throw unfit('uses a type of value that is none of WebAssembly 2.0');
    return type;
  }

  name(): string {
    const length = this.u32();
    if (length > MAX_NAME_BYTES) throw unfit(`has a name of more than ${MAX_NAME_BYTES} bytes`);
    const from = this.at;
    this.skip(length);
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + from, length).toString('utf8');
  }

  /** The next `length` bytes, apart. */
  part(length: number): Bytes {
    const from = this.at;
    this.skip(length);
    return new Bytes(this.#bytes, from, this.at);
  }

  /** `read` once for each of a list; more than there are bytes for ends in its error. */
  each(read: () => void): void {
    for (let left = this.u32(); left > 0; left--) read();
  }
}
