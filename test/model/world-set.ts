import type { World } from './world.ts';

/** Worlds in each block of memory. */
const BLOCK = 2 ** 16;
const FIRST_SLOTS = 2 ** 16;
/** Of the slots, so that a search is short. */
const MOST_LOAD = 0.5;

/** Distinct worlds, numbered as they come; exact, in a few dozen bytes each. */
export class WorldSet {
  readonly #words: number;
  readonly #blocks: Int32Array[] = [];
  #slots = new Int32Array(FIRST_SLOTS).fill(-1);
  #size = 0;

  constructor(words: number) {
    this.#words = words;
  }

  get size(): number {
    return this.#size;
  }

  /** Its number where it is new, else -1. */
  add(world: World): number {
    if (this.#size >= this.#slots.length * MOST_LOAD) this.#grow();
    const slot = this.#find(world);
    if (this.#slots[slot] !== -1) return -1;
    const number = this.#size++;
    this.#slots[slot] = number;
    if (number % BLOCK === 0) this.#blocks.push(new Int32Array(BLOCK * this.#words));
    this.#blocks[Math.floor(number / BLOCK)]?.set(world, (number % BLOCK) * this.#words);
    return number;
  }

  get(number: number): World {
    const start = (number % BLOCK) * this.#words;
    const block = this.#blocks[Math.floor(number / BLOCK)];
    if (block === undefined) throw new RangeError(`There is no world ${number}.`);
    return block.subarray(start, start + this.#words);
  }

  #find(world: World): number {
    const mask = this.#slots.length - 1;
    let slot = hash(world) & mask;
    for (;;) {
      const number = this.#slots[slot] ?? -1;
      if (number === -1 || this.#equals(number, world)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #equals(number: number, world: World): boolean {
    const block = this.#blocks[Math.floor(number / BLOCK)];
    const start = (number % BLOCK) * this.#words;
    for (let word = 0; word < this.#words; word++) {
      if (block?.[start + word] !== world[word]) return false;
    }
    return true;
  }

  #grow(): void {
    this.#slots = new Int32Array(this.#slots.length * 2).fill(-1);
    for (let number = 0; number < this.#size; number++) this.#slots[this.#find(this.get(number))] = number;
  }
}

/** Murmur3's mixing, word by word. */
function hash(world: World): number {
  let mixed = 0;
  for (const word of world) {
    let k = Math.imul(word, 0xcc9e2d51);
    k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
    mixed ^= k;
    mixed = Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64;
  }
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}
