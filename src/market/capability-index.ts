import { BestFirst } from './best-first.ts';
import type { Band, Entry } from './entry.ts';
import { RingIndex } from './ring-index.ts';

const MET: readonly Band[] = ['ring1', 'ring2', 'global'];
const UNPROVEN: readonly Band[] = ['unproven'];
export const BANDS: readonly Band[] = [...MET, ...UNPROVEN];

type Shelf = Partial<Record<Band, RingIndex<Entry>>>;

/**
 * The providers of one capability, by band. Those that list their models can also be found by model, so that a
 * capsule which names a rare one does not pass over all others.
 */
export class CapabilityIndex {
  readonly capabilityId: string;
  /** They do not say which models they have. */
  readonly #plain: Shelf = {};
  readonly #listing: Shelf = {};
  readonly #byModel = new Map<string, { shelf: Shelf; size: number }>();
  #size = 0;
  #listingSize = 0;

  constructor(capabilityId: string) {
    this.capabilityId = capabilityId;
  }

  get size(): number {
    return this.#size;
  }

  /** Gives how many names of models came with it. */
  add(entry: Entry): number {
    this.#size++;
    put(entry.models === undefined ? this.#plain : this.#listing, entry);
    if (entry.models === undefined) return 0;
    this.#listingSize++;
    const before = this.#byModel.size;
    for (const model of entry.models) {
      const found = this.#byModel.get(model) ?? { shelf: {}, size: 0 };
      this.#byModel.set(model, found);
      found.size++;
      put(found.shelf, entry);
    }
    return this.#byModel.size - before;
  }

  /** It must be inside. Gives how many names of models went with it. */
  remove(entry: Entry): number {
    this.#size--;
    take(entry.models === undefined ? this.#plain : this.#listing, entry);
    if (entry.models === undefined) return 0;
    this.#listingSize--;
    const before = this.#byModel.size;
    for (const model of entry.models) {
      const found = this.#byModel.get(model);
      if (found === undefined) continue;
      take(found.shelf, entry);
      if (--found.size === 0) this.#byModel.delete(model);
    }
    return before - this.#byModel.size;
  }

  /** Where to look for a provider in these bands: one that has the model, or may have it; without a model every shelf. */
  within(bands: readonly Band[], model?: string): RingIndex<Entry>[] {
    const listing = model === undefined ? this.#listing : this.#byModel.get(model)?.shelf;
    const found: RingIndex<Entry>[] = [];
    for (const band of bands) {
      const [plain, listed] = [this.#plain[band], listing?.[band]];
      if (plain !== undefined) found.push(plain);
      if (listed !== undefined) found.push(listed);
    }
    return found;
  }

  /** How many list their models, and not this one. */
  sizeWithout(model: string): number {
    return this.#listingSize - (this.#byModel.get(model)?.size ?? 0);
  }

  /** Some of those that list their models, the best first. */
  get listing(): RingIndex<Entry>[] {
    return BANDS.flatMap((band) => this.#listing[band] ?? []);
  }
}

/** Best score first, those that were never met last. */
export function bestOf(index: CapabilityIndex, limit: number): Entry[] {
  const found: Entry[] = [];
  for (const bands of [MET, UNPROVEN]) {
    const best = new BestFirst(index.within(bands), Number.POSITIVE_INFINITY);
    for (let next = best.next(); next !== undefined && found.length < limit; next = best.next()) {
      found.push(...next.index.clockwise(next, 0, limit - found.length, () => true));
    }
  }
  return found;
}

function put(shelf: Shelf, entry: Entry): void {
  const index = shelf[entry.band] ?? new RingIndex<Entry>();
  shelf[entry.band] = index;
  index.add(entry);
}

function take(shelf: Shelf, entry: Entry): void {
  const index = shelf[entry.band];
  index?.remove(entry);
  if (index?.size === 0) delete shelf[entry.band];
}
