import { setImmediate as turn } from 'node:timers/promises';
import { GENESIS_HASH, type Receipt } from '../../protocols/receipt/v1/schema.ts';
import { verifyReceipt } from '../capsule/receipt.ts';
import { throwIfAborted } from '../lib/abort.ts';
import type { Crypto } from '../lib/crypto.ts';
import type { ModuleStorage } from './module-storage.ts';
import {
  type ChainHead,
  isEntry,
  missingReceipts,
  type ReceiptChain,
  type ReceiptEntry,
} from './receipt-chain.ts';
import { PAGE_RECEIPTS, ReceiptIndex } from './receipt-index.ts';
import { capabilitiesDigest, factsOf, type NodeState, receiptsDigest, stateRoot } from './state-root.ts';
import type { ReceiptLog, ReceiptsVerification } from './types.ts';

/** Problems told at most; a damaged chain has as many as receipts. */
const MAX_PROBLEMS = 100;
/** Receipts checked without letting the node do something else; some 10 ms. */
const RECEIPTS_PER_TURN = 64;

export interface ReceiptBookComponents {
  chain: ReceiptChain;
  storage: ModuleStorage;
  crypto: Crypto;
  identity: string;
}

/** What was verified so far, and the place in the chain that the next receipt must continue. */
interface Walk {
  sequence: number;
  receiptHash: string;
  state: NodeState;
  /** Storage digests since the receipt that was the newest when the walk began. */
  storages: Set<string>;
  /** Hashes since the last full page of the index, as that has them. */
  page: string[];
  problems: ReceiptsVerification['problems'];
  count: number;
}

/** Reading and verifying the chain; the reading side is what surfaces get. */
export class ReceiptBook implements ReceiptLog {
  readonly #components: ReceiptBookComponents;
  readonly list: ReceiptLog['list'];
  readonly get: ReceiptLog['get'];
  readonly at: ReceiptLog['at'];

  constructor(components: ReceiptBookComponents) {
    this.#components = components;
    const { chain } = components;
    this.list = (options) => chain.list(options);
    this.get = (hash, options) => chain.get(hash, options);
    this.at = (sequence) => chain.at(sequence);
  }

  /**
   * Walks the whole chain and all storage, while the node goes on. An edit breaks a hash or a signature, a deletion a
   * sequence, a reordering a link, a changed value of storage the state root, and a cut end what this process knows and
   * what was noted at the last start, stop or page. What it cannot see is an end that was cut while the node lay crashed,
   * or a data directory put back as a whole to an earlier state; receipts held by other nodes show that.
   */
  async verify({ signal }: { signal?: AbortSignal } = {}): Promise<ReceiptsVerification> {
    const { chain, storage } = this.#components;
    const { known } = chain;
    const saved = chain.checkpoint();
    const audited = await storage.audit(signal);
    const walk: Walk = {
      sequence: 0,
      receiptHash: GENESIS_HASH,
      state: chain.genesis,
      storages: new Set(known.sequence === 0 ? [known.state.storage] : []),
      page: [],
      problems: [],
      count: 0,
    };
    for await (const [sequence, entry] of chain.scan({})) {
      throwIfAborted(signal);
      if (++walk.count % RECEIPTS_PER_TURN === 0) await turn();
      if (!isEntry(entry)) {
        tell(walk, sequence, null, 'it is not a receipt');
        continue;
      }
      this.#step(walk, sequence, entry);
      for (const head of [known, saved]) {
        if (head?.sequence === sequence) this.#checkHead(walk, head, entry.receipt);
      }
      if (sequence >= known.sequence) walk.storages.add(entry.state.storage);
    }
    const end = Math.max(known.sequence, saved?.sequence ?? 0);
    if (walk.sequence < end) tell(walk, end, null, missingReceipts(walk.sequence + 1, end));
    if (saved === undefined) tell(walk, walk.sequence, null, 'nothing is noted about how far the chain was');
    walk.storages.add(walk.state.storage);
    for (const problem of audited.problems) tell(walk, walk.sequence, null, problem);
    if (!walk.storages.has(audited.digest)) {
      tell(
        walk,
        walk.sequence,
        null,
        'the storage of the capabilities is not what the state root commits to',
      );
    }
    return { ok: walk.problems.length === 0, receipts: walk.count, problems: walk.problems };
  }

  #step(walk: Walk, sequence: number, entry: ReceiptEntry): void {
    const { crypto, identity } = this.#components;
    const { receipt, state } = entry;
    const gap = sequence !== walk.sequence + 1;
    if (gap) tell(walk, sequence, null, missingReceipts(walk.sequence + 1, sequence - 1));
    const problems: (string | false)[] = [];
    const verified = verifyReceipt(crypto, receipt);
    if (!verified.ok) problems.push(verified.error.message);
    else {
      const digest = receiptsDigest(crypto, walk.state.receipts, factsOf(receipt));
      const before = stateRoot(crypto, identity, { ...walk.state, capabilities: state.capabilities });
      problems.push(
        receipt.identity !== identity && 'it is signed by another identity than this node',
        !gap &&
          receipt.previousReceiptHash !== walk.receiptHash &&
          'it does not follow the receipt before it',
        !gap && receipt.previousStateRoot !== before && 'its previous state root is not the state before it',
        !gap && state.receipts !== digest && 'its state leaves out or adds receipts',
        receipt.nextStateRoot !== stateRoot(crypto, identity, state) &&
          'its next state root is not its state',
        !this.#isInstalled(state.capabilities) &&
          'the list of the code that was installed is missing or changed',
      );
    }
    problems.push(this.#indexProblem(walk, sequence, receipt));
    for (const problem of problems) if (problem) tell(walk, sequence, receipt.receiptHash, problem);
    walk.sequence = sequence;
    walk.receiptHash = receipt.receiptHash;
    walk.state = state;
  }

  #checkHead(walk: Walk, head: ChainHead, receipt: Receipt): void {
    const { crypto, identity } = this.#components;
    const same =
      head.receiptHash === receipt.receiptHash &&
      head.root === receipt.nextStateRoot &&
      head.root === stateRoot(crypto, identity, head.state);
    if (!same)
      tell(
        walk,
        head.sequence,
        head.receiptHash,
        'it is not the receipt that was noted as the end of the chain',
      );
  }

  #isInstalled(digest: string): boolean {
    const installed = this.#components.chain.installation(digest);
    return installed !== undefined && capabilitiesDigest(this.#components.crypto, installed) === digest;
  }

  /** A page is written with the receipt after its last. */
  #indexProblem(walk: Walk, sequence: number, receipt: Receipt): string | false {
    const full = sequence % PAGE_RECEIPTS === 1 && sequence > 1;
    const page = walk.page.join('');
    if (sequence % PAGE_RECEIPTS === 1) walk.page = [];
    walk.page.push(ReceiptIndex.cut(receipt.receiptHash));
    return (
      full &&
      this.#components.chain.indexPage(sequence - 1) !== page &&
      'those before it cannot be found by their hashes'
    );
  }
}

function tell(walk: Walk, sequence: number, receiptHash: string | null, problem: string): void {
  if (walk.problems.length < MAX_PROBLEMS) walk.problems.push({ sequence, receiptHash, problem });
}
