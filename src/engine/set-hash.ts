import { createHash } from 'node:crypto';

const LANES = 1024;
const BYTES = LANES * 2;

/**
 * An incremental hash of a set (LtHash, Bellare and Micciancio 1997, with 1024 lanes of 16 bits): adding or removing
 * an element costs the same whatever the set holds, and the order does not matter. Each element must be in the set
 * at most once.
 */
export class SetHash {
  readonly #lanes: Uint16Array;

  /** From `toString`, or of the empty set. */
  constructor(state?: string) {
    this.#lanes = new Uint16Array(LANES);
    if (state === undefined) return;
    const bytes = Buffer.from(state, 'base64');
    if (bytes.length !== BYTES) throw new RangeError('The state of a set hash has another length.');
    for (let lane = 0; lane < LANES; lane++) this.#lanes[lane] = bytes.readUInt16LE(lane * 2);
  }

  add(element: string): void {
    this.#combine(element, 1);
  }

  remove(element: string): void {
    this.#combine(element, -1);
  }

  /** The whole state, base64. */
  toString(): string {
    return this.#bytes().toString('base64');
  }

  /** SHA-256 of the state, 64 hex characters. */
  digest(): string {
    return createHash('sha256').update(this.#bytes()).digest('hex');
  }

  #combine(element: string, sign: 1 | -1): void {
    const expanded = createHash('shake256', { outputLength: BYTES }).update(element).digest();
    for (let lane = 0; lane < LANES; lane++) {
      // A Uint16Array wraps modulo 2^16, which is the group's operation.
      this.#lanes[lane] = (this.#lanes[lane] ?? 0) + sign * expanded.readUInt16LE(lane * 2);
    }
  }

  #bytes(): Buffer {
    const bytes = Buffer.alloc(BYTES);
    for (let lane = 0; lane < LANES; lane++) bytes.writeUInt16LE(this.#lanes[lane] ?? 0, lane * 2);
    return bytes;
  }
}
