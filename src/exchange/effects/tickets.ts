import type { Ticket } from '../../engine/types.ts';

/** Places in the engine's queue on their way from the admission of a capsule to its run. */
export class Tickets {
  /** Bounded by the queue, which gave each of them. */
  readonly #tickets = new Map<string, Ticket>();

  put(capsuleId: string, ticket: Ticket): void {
    this.release(capsuleId);
    this.#tickets.set(capsuleId, ticket);
  }

  take(capsuleId: string): Ticket | undefined {
    const ticket = this.#tickets.get(capsuleId);
    this.#tickets.delete(capsuleId);
    return ticket;
  }

  release(capsuleId: string): void {
    this.take(capsuleId)?.release();
  }
}
