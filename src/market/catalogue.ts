import { CapabilityIndex } from './capability-index.ts';
import type { Entry } from './entry.ts';

/** About what the heap keeps for each name, however many offers share it; measured. */
const CAPABILITY_BYTES = 1_024;
const MODEL_NAME_BYTES = 640;

/** All offers, capability by capability. */
export class Catalogue {
  readonly #capabilities = new Map<string, CapabilityIndex>();
  /** Names of models, for each capability that lists them. */
  #models = 0;
  #size = 0;

  /** Offers. */
  get size(): number {
    return this.#size;
  }

  /** Of the names; the offers count for their nodes. */
  get bytes(): number {
    return this.#capabilities.size * CAPABILITY_BYTES + this.#models * MODEL_NAME_BYTES;
  }

  names(): Iterable<string> {
    return this.#capabilities.keys();
  }

  /** Undefined where no node offers it. */
  index(capabilityId: string): CapabilityIndex | undefined {
    return this.#capabilities.get(capabilityId);
  }

  /** The name as it is kept already: every advertisement brings its own copy. */
  shared(capabilityId: string): string {
    return this.#capabilities.get(capabilityId)?.capabilityId ?? capabilityId;
  }

  add(entry: Entry): void {
    const index = this.#capabilities.get(entry.capabilityId) ?? new CapabilityIndex(entry.capabilityId);
    this.#capabilities.set(entry.capabilityId, index);
    this.#models += index.add(entry);
    this.#size++;
  }

  /** It must be inside. */
  remove(entry: Entry): void {
    const index = this.#capabilities.get(entry.capabilityId);
    this.#models -= index?.remove(entry) ?? 0;
    this.#size--;
    if (index?.size === 0) this.#capabilities.delete(entry.capabilityId);
  }
}
