/** A power of two: 1 MiB. Of ids that were never added one in 500 passes for seen after 500,000, one in 7 after 2,000,000. */
const BITS = 8_388_608;
/** Bits for one id, and the hexadecimal digits that choose each. */
const PLACES = 4;
const DIGITS = 6;
const BITS_OF_A_WORD = 32;

/** Ids, which are hashes, that may have been added (a Bloom filter): what it denies never was. */
export class SeenIds {
  readonly #words = new Uint32Array(BITS / BITS_OF_A_WORD);

  add(id: string): void {
    for (let place = 0; place < PLACES; place++) {
      const bit = bitAt(id, place);
      const word = Math.floor(bit / BITS_OF_A_WORD);
      this.#words[word] = (this.#words[word] ?? 0) | (1 << (bit % BITS_OF_A_WORD));
    }
  }

  has(id: string): boolean {
    for (let place = 0; place < PLACES; place++) {
      const bit = bitAt(id, place);
      const word = this.#words[Math.floor(bit / BITS_OF_A_WORD)] ?? 0;
      if ((word & (1 << (bit % BITS_OF_A_WORD))) === 0) return false;
    }
    return true;
  }
}

function bitAt(id: string, place: number): number {
  return Number.parseInt(id.slice(DIGITS * place, DIGITS * (place + 1)), 16) % BITS;
}
