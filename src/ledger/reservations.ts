import { MeshError } from '../lib/errors.ts';

/** Far above what a node works on at once; a caller that never releases must not fill the memory. */
const RESERVATIONS = 100_000;

/** Amounts held for capsules in work, by capsule and summed by payer. Micro-credits. */
export class Reservations {
  readonly #byCapsule = new Map<string, { origin: string; microAmount: number }>();
  readonly #byOrigin = new Map<string, number>();

  /** A second reservation for a capsule replaces the first. Throws `busy` above the limit. */
  reserve(capsuleId: string, origin: string, microAmount: number): void {
    this.release(capsuleId);
    if (this.#byCapsule.size >= RESERVATIONS) throw new MeshError('busy', 'Too many payments are reserved.');
    this.#byCapsule.set(capsuleId, { origin, microAmount });
    this.#byOrigin.set(origin, this.of(origin) + microAmount);
  }

  release(capsuleId: string): void {
    const held = this.#byCapsule.get(capsuleId);
    if (held === undefined) return;
    this.#byCapsule.delete(capsuleId);
    const left = this.of(held.origin) - held.microAmount;
    if (left === 0) this.#byOrigin.delete(held.origin);
    else this.#byOrigin.set(held.origin, left);
  }

  of(origin: string): number {
    return this.#byOrigin.get(origin) ?? 0;
  }
}
