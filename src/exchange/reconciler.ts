import type { ExchangeMessageOf } from '../../protocols/messages/v1/schema.ts';
import { identityOf } from '../capsule/identity.ts';
import { MeshError } from '../lib/errors.ts';
import type { ExchangeComponents } from './components.ts';

/** Entries in one answer, and how long an answer may take. */
const PAGE_ENTRIES = 256;
const ANSWER_TIMEOUT_MS = 10_000;
/** Pages asked of one node in one reconciliation: a quarter of a million entries. */
const MAX_PAGES = 1_024;
/** Questions open at a time; more are refused as `busy`. */
const MAX_OPEN_QUESTIONS = 16;

type Entries = ExchangeMessageOf<'ledger_entries'>;
export type SharedEntry = Entries['entries'][number];

type Components = Pick<ExchangeComponents, 'ledger' | 'network' | 'clock' | 'signer' | 'log'>;

/** Fetches the other node's half of the book that two nodes share, and gives out this one's. */
export class Reconciler {
  readonly #components: Components;
  readonly #open = new Map<string, { from: string; resolve: (answer: Entries) => void }>();
  #questions = 0;

  constructor(components: Components) {
    this.#components = components;
  }

  /** Every entry between this node and `nodeId` in the other's book. Rejects with `unreachable` or `timeout`. */
  async entriesOf(nodeId: string): Promise<SharedEntry[]> {
    const entries: SharedEntry[] = [];
    let from: number | null = 0;
    for (let page = 0; from !== null && page < MAX_PAGES; page++) {
      const answer: Entries = await this.#ask(nodeId, from);
      entries.push(...answer.entries);
      from = answer.next !== null && answer.next > from ? answer.next : null;
    }
    return entries;
  }

  /** Tells the asker what this book says about the two; nobody learns about a third. */
  async onQuery(from: string, message: ExchangeMessageOf<'ledger_query'>): Promise<void> {
    const { ledger, network, signer, log } = this.#components;
    const asker = identityOf(from);
    const page = await ledger.entriesWith(asker, message.from, PAGE_ENTRIES);
    const last = page.at(-1);
    const shared = page.filter(
      ({ debit, credit }) => debit === signer.identity || credit === signer.identity,
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

  async #ask(nodeId: string, from: number): Promise<Entries> {
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
      return await promise;
    } finally {
      cancelTimer();
      this.#open.delete(exchangeId);
    }
  }
}
