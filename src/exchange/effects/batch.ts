import { fromMicro, toMicro } from '../../capsule/credits.ts';
import { signSettlement } from '../../capsule/settlement.ts';
import { MeshError } from '../../lib/errors.ts';
import type { StoredResult, Transaction } from '../../store/types.ts';
import type { ExchangeComponents } from '../components.ts';
import type { Change, Write } from '../machine/effect.ts';
import type { State } from '../machine/state.ts';
import { putProofs } from './proofs.ts';

type Components = Pick<ExchangeComponents, 'capsules' | 'ledger' | 'signer' | 'crypto'>;

const NO_RESULT: StoredResult = {
  result: null,
  receipt: null,
  assignment: null,
  settlement: null
};

/** Puts a new state and what belongs to it into one transaction. Throws `conflict` where a payment was booked before. */
export class Batch {
  readonly #components: Components;

  constructor(components: Components) {
    this.#components = components;
  }

  stage(tx: Transaction, before: State | undefined, change: Change): void {
    const { state, writes } = change;
    const { capsules } = this.#components;
    if (state !== before && before !== undefined) capsules.put(tx, state);
    for (const write of writes) this.#write(tx, state, write);
  }

  #write(tx: Transaction, state: State, write: Write): void {
    const { capsules } = this.#components;
    const { id } = state;
    switch (write.kind) {
      case 'capsule':
        capsules.add(tx, write.capsule, state);
        return;
      case 'result':
        return capsules.putResult(tx, id, this.#resultOf(write));
      case 'settlement': {
        const stored = capsules.result(id, tx) ?? NO_RESULT;
        return capsules.putResult(tx, id, { ...stored, settlement: write.settlement });
      }
      case 'book':
        return this.#book(tx, id, write);
      case 'reverse':
        this.#components.ledger.reverse(tx, `capsule:${id}`);
        return;
      case 'dispute':
        this.#components.ledger.dispute(tx, `capsule:${id}`);
        return;
      case 'proofs':
        return putProofs(tx, state.root, write.capsule, write.proofs);
      case 'spawn':
        return;
    }
  }

  #resultOf(write: Extract<Write, { kind: 'result' }>): StoredResult {
    const { signer, crypto } = this.#components;
    const { result, receipt, lease: assignment, settled } = write;
    const { charge, receiptHash, identity: payee } = receipt;
    const settlement =
      settled && charge !== null && payee !== signer.identity
        ? signSettlement(signer, crypto, { receiptHash, amount: charge, payer: signer.identity, payee })
        : null;
    return { result, receipt, assignment, settlement };
  }

  #book(tx: Transaction, id: string, { debit, credit, amount, receiptHash }: Extract<Write, { kind: 'book' }>) {
    const { ledger } = this.#components;
    const microAmount = toMicro(amount);
    const entry = { reference: `capsule:${id}`, debit, credit, microAmount, receiptHash };
    if (microAmount === 0 || ledger.book(tx, entry)) return;
    throw new MeshError('conflict', `The payment of ${fromMicro(microAmount)} credits was booked before.`);
  }
}
