import { throwIfAborted } from '../lib/abort.ts';
import { disputedId, paymentId, paymentReference, reversalReference, reversedId } from './books.ts';
import type { LedgerEntry } from './types.ts';

/** What two books must agree on about one reference. */
export type Booking = Pick<LedgerEntry, 'reference' | 'debit' | 'credit' | 'microAmount' | 'receiptHash'>;

export type Difference = { reference: string } & (
  | { kind: 'missing_here'; theirs: Booking }
  | { kind: 'missing_there'; mine: Booking }
  | { kind: 'amount_differs' | 'parties_differ'; mine: Booking; theirs: Booking }
);

/** Differences that are kept; of more only the number, since another's book may be of any length. */
const KEPT_DIFFERENCES = 10_000;

type Numbered = Booking & Pick<LedgerEntry, 'sequence'>;

/** What a comparison needs of the own book. */
export interface OwnBook {
  /** What this book says about a reference between the same two parties. */
  find(reference: string): Numbered | undefined;
  /** All of it that is between the two, page by page. */
  pages(): AsyncIterable<readonly Numbered[]>;
}

export interface Comparison {
  here: number;
  there: number;
  /** Ordered by reference; empty where the books agree. */
  differences: Difference[];
  /** More that are not named. */
  more: number;
}

/**
 * Compares what two books say about the same two parties, by reference: the books count and date on their own, so
 * sequence, time and hashes are not compared, and a dispute is one's own opinion. The other's book streams by, each
 * entry looked up in the own one; then the own book, for what the other did not name. Memory is one bit for each of
 * the own entries, and the differences.
 */
export async function compareBooks(
  own: OwnBook,
  theirs: AsyncIterable<readonly Booking[]>,
  signal?: AbortSignal,
): Promise<Comparison> {
  const walk = new Walk(own);
  for await (const page of theirs) {
    throwIfAborted(signal);
    for (const entry of page) walk.theirs(entry);
  }
  for await (const page of own.pages()) {
    throwIfAborted(signal);
    for (const entry of page) walk.mine(entry);
  }
  return walk.result();
}

class Walk {
  readonly #own: OwnBook;
  readonly #seen = new Bits();
  readonly #found = new Map<string, Difference>();
  #here = 0;
  #there = 0;
  #more = 0;

  constructor(own: OwnBook) {
    this.#own = own;
  }

  theirs(theirs: Booking): void {
    const { reference } = theirs;
    if (isDispute(reference)) return;
    this.#there++;
    const mine = this.#own.find(reference);
    if (mine === undefined) {
      this.#missingHere(theirs);
      return;
    }
    this.#seen.set(mine.sequence);
    if (mine.debit !== theirs.debit || mine.credit !== theirs.credit) {
      this.#note({ reference, kind: 'parties_differ', mine, theirs });
    } else if (mine.microAmount !== theirs.microAmount) {
      this.#note({ reference, kind: 'amount_differs', mine, theirs });
    }
  }

  mine(mine: Numbered): void {
    if (isDispute(mine.reference)) return;
    this.#here++;
    if (this.#seen.has(mine.sequence) || this.#takenBackHere(mine)) return;
    this.#note({ reference: mine.reference, kind: 'missing_there', mine });
  }

  result(): Comparison {
    const differences = [...this.#found.values()].sort((a, b) => (a.reference < b.reference ? -1 : 1));
    return { here: this.#here, there: this.#there, differences, more: this.#more };
  }

  /** What one book took back, and the other never had, is no difference: an execution that was not accepted. */
  #missingHere(theirs: Booking): void {
    const id = reversedId(theirs.reference);
    const payment = id === undefined ? undefined : this.#found.get(paymentReference(id));
    if (payment?.kind === 'missing_here' && cancel(theirs, payment.theirs)) {
      this.#found.delete(payment.reference);
    } else this.#note({ reference: theirs.reference, kind: 'missing_here', theirs });
  }

  #takenBackHere(mine: Numbered): boolean {
    const paid = paymentId(mine.reference);
    const reversed = reversedId(mine.reference);
    let other: Numbered | undefined;
    if (paid !== undefined) other = this.#own.find(reversalReference(paid));
    else if (reversed !== undefined) other = this.#own.find(paymentReference(reversed));
    return other !== undefined && !this.#seen.has(other.sequence) && cancel(mine, other);
  }

  #note(difference: Difference): void {
    if (this.#found.size < KEPT_DIFFERENCES) this.#found.set(difference.reference, difference);
    else this.#more++;
  }
}

/** A set of sequences. */
class Bits {
  #bytes = new Uint8Array(1_024);

  set(at: number): void {
    if (at >> 3 >= this.#bytes.length) {
      const wider = new Uint8Array(Math.max(2 * this.#bytes.length, (at >> 3) + 1));
      wider.set(this.#bytes);
      this.#bytes = wider;
    }
    this.#bytes[at >> 3] = (this.#bytes[at >> 3] ?? 0) | (1 << (at & 7));
  }

  has(at: number): boolean {
    return ((this.#bytes[at >> 3] ?? 0) & (1 << (at & 7))) !== 0;
  }
}

export function isDispute(reference: string): boolean {
  return disputedId(reference) !== undefined;
}

function cancel(one: Booking, other: Booking): boolean {
  return one.debit === other.credit && one.credit === other.debit && one.microAmount === other.microAmount;
}
