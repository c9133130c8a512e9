import { LRUCache } from 'lru-cache';
import type { ExchangeMessageOf } from '../../protocols/messages/v1/schema.ts';
import { identityOf } from '../capsule/identity.ts';
import { isDispute } from '../ledger/reconcile.ts';
import type { Ledger } from '../ledger/types.ts';
import { raceAbort, throwIfAborted } from '../lib/abort.ts';
import type { Signer } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';
import { TokenBucket } from '../network/token-bucket.ts';
import type { Network } from '../network/types.ts';
import type { ExchangeComponents } from './components.ts';

/** Entries in one answer, and how long an answer may take. */
const PAGE_ENTRIES = 256;
const ANSWER_TIMEOUT_MS = 10_000;
/** Pages asked of one node in one reconciliation: sixteen million entries. */
const MAX_PAGES = 65_536;
/** Questions open at a time; more are refused as `busy`. */
const MAX_OPEN_QUESTIONS = 16;
/** Answers to one peer, one at a time: the pages of a small book at once, those of a large one at this pace. */
const ANSWERS = { perSecond: 8, burst: 16 } as const;
/** Peers whose pace is remembered; more than can be connected. */
const MAX_ASKERS = 1_024;

type Entries = ExchangeMessageOf<'ledger_entries'>;
export type SharedEntry = Entries['entries'][number];

type Components = Pick<ExchangeComponents, 'clock' | 'log'> & {
  ledger: Pick<Ledger, 'entriesWith'>;
  network: Pick<Network, 'send'>;
  signer: Pick<Signer, 'identity'>;
};

/** Fetches the other node's half of the book that two nodes share, and gives out this one's. */
export class Reconciler {
  readonly #components: Components;
  readonly #open = new Map<string, { from: string; resolve: (answer: Entries) => void }>();
  readonly #askers = new LRUCache<string, { pace: TokenBucket; answering: boolean }>({ max: MAX_ASKERS });
  #questions = 0;

  constructor(components: Components) {
    this.#components = components;
  }

  /**
   * Every entry between this node and `nodeId` in the other's book, page by page. Throws `unreachable`, `timeout`,
   * or `too_large` for a book that does not end.
   */
  async *entriesOf(nodeId: string, signal?: AbortSignal): AsyncGenerator<SharedEntry[]> {
    let from = 0;
    for (let page = 0; page < MAX_PAGES; page++) {
      const { entries, next }: Entries = await this.#ask(nodeId, from, signal);
      yield entries;
      if (next === null || next <= from) return;
      from = next;
    }
    throw new MeshError('too_large', `The book of ${nodeId} has more than ${MAX_PAGES} pages.`);
  }

  /** Tells the asker what this book says about the two; nobody learns about a third. A question beside another is dropped. */
  async onQuery(from: string, message: ExchangeMessageOf<'ledger_query'>): Promise<void> {
    const { clock, log } = this.#components;
    const asker = this.#askers.get(from) ?? { pace: new TokenBucket({ clock }, ANSWERS), answering: false };
    this.#askers.set(from, asker);
    if (asker.answering) return log.debug({ from }, 'A question about the ledger beside another was dropped');
    asker.answering = true;
    try {
      asker.pace.take(1);
      const waitMs = asker.pace.waitMs();
      if (waitMs > 0) await new Promise<void>((resolve) => clock.after(waitMs, resolve));
      await this.#answer(from, message);
    } finally {
      asker.answering = false;
    }
  }

  async #answer(from: string, message: ExchangeMessageOf<'ledger_query'>): Promise<void> {
    const { ledger, network, signer, log } = this.#components;
    const asker = identityOf(from);
    const page = await ledger.entriesWith(asker, message.from, PAGE_ENTRIES);
    const last = page.at(-1);
    const shared = page.filter(
      ({ reference, debit, credit }) =>
        (debit === signer.identity || credit === signer.identity) && !isDispute(reference),
    );
    const entries = shared.map(({ reference, debit, credit, microAmount, receiptHash }) => ({
      reference,
      debit,
      credit,
      microAmount,
      receiptHash,
    }));
    const next = page.length === PAGE_ENTRIES && last !== undefined ? last.sequence + 1 : null;
    await network
      .send(from, { type: 'ledger_entries', exchangeId: message.exchangeId, entries, next })
      .catch((error: unknown) => log.debug({ from, error }, 'Ledger entries not sent'));
  }

  onEntries(from: string, message: Entries): void {
    const question = this.#open.get(message.exchangeId);
    if (question?.from === from) question.resolve(message);
  }

  async #ask(nodeId: string, from: number, signal: AbortSignal | undefined): Promise<Entries> {
    throwIfAborted(signal);
    if (this.#open.size >= MAX_OPEN_QUESTIONS)
      throw new MeshError('busy', 'Too many reconciliations at a time.');
    const { network, clock } = this.#components;
    const exchangeId = `ledger-${++this.#questions}`;
    const { promise, resolve, reject } = Promise.withResolvers<Entries>();
    this.#open.set(exchangeId, { from: nodeId, resolve });
    const cancelTimer = clock.after(ANSWER_TIMEOUT_MS, () => {
      reject(new MeshError('timeout', `Node ${nodeId} did not answer about its ledger.`));
    });
    try {
      await network.send(nodeId, { type: 'ledger_query', exchangeId, from });
      return await (signal === undefined ? promise : raceAbort(promise, signal));
    } finally {
      cancelTimer();
      this.#open.delete(exchangeId);
    }
  }
}
