import { MeshError } from '../lib/errors.ts';
import { OWNER_NAME, type Principal } from './principal.ts';

/** Streams and waiting submissions at once. */
const MAX_FOLLOWERS = 256;
/** Kept for the owner, whatever the other tokens hold together. */
const OWNERS_PLACES = 64;

interface Follower {
  name: string;
  release: () => void;
}

/** Clients that wait for events or for the end of a capsule; released together when the API stops. */
export class Followers {
  readonly #perToken: number;
  readonly #all = new Set<Follower>();
  /** By principal but the owner. */
  readonly #held = new Map<string, number>();
  #heldByTokens = 0;

  /** `perToken`: places that one principal but the owner may hold. */
  constructor(perToken: number) {
    this.#perToken = perToken;
  }

  /** Why there is no place for the principal; undefined where there is one. */
  refusal({ name }: Pick<Principal, 'name'>): MeshError | undefined {
    if (name !== OWNER_NAME && (this.#held.get(name) ?? 0) >= this.#perToken) {
      const message = `The token "${name}" holds its ${this.#perToken} streams already; "api.streamsPerToken" sets how many.`;
      return new MeshError('busy', message, { limit: this.#perToken, setting: 'api.streamsPerToken' });
    }
    const full =
      this.#all.size >= MAX_FOLLOWERS ||
      (name !== OWNER_NAME && this.#heldByTokens >= MAX_FOLLOWERS - OWNERS_PLACES);
    return full ? new MeshError('busy', `${this.#all.size} clients follow this node already.`) : undefined;
  }

  /** `release` is called once at most, at the stop. Returns the removal. Throws `busy`. */
  add({ name }: Pick<Principal, 'name'>, release: () => void): () => void {
    const refusal = this.refusal({ name });
    if (refusal !== undefined) throw refusal;
    const follower = { name, release };
    this.#all.add(follower);
    this.#count(name, 1);
    return () => {
      if (this.#all.delete(follower)) this.#count(name, -1);
    };
  }

  /** Ends what the principal follows. */
  releaseOf(name: string): void {
    for (const follower of [...this.#all]) {
      if (follower.name !== name) continue;
      this.#all.delete(follower);
      this.#count(name, -1);
      follower.release();
    }
  }

  releaseAll(): void {
    const all = [...this.#all];
    this.#all.clear();
    this.#held.clear();
    this.#heldByTokens = 0;
    for (const { release } of all) release();
  }

  #count(name: string, change: 1 | -1): void {
    if (name === OWNER_NAME) return;
    this.#heldByTokens += change;
    const held = (this.#held.get(name) ?? 0) + change;
    if (held > 0) this.#held.set(name, held);
    else this.#held.delete(name);
  }
}
