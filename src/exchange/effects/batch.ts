import { fromMicro, toMicro } from '../../capsule/credits.ts';
import { signSettlement } from '../../capsule/settlement.ts';
import { MeshError } from '../../lib/errors.ts';
import type { StoredResult, Transaction } from '../../store/types.ts';
import type { ExchangeComponents } from '../components.ts';
import type { Change, Write } from '../machine/effect.ts';
import type { State } from '../machine/state.ts';
import { putProofs } from './proofs.ts';

type Components = Pick<ExchangeComponents, 'capsules' | 'ledger' | 'signer' | 'crypto'>;

/** Puts a new state and what belongs to it into one transaction. Throws `conflict` where a payment was booked before. */
export class Batch {
  readonly #components: Components;

  constructor(components: Components) {
    this.#components = components;
  }

  /** Gives the state as it is stored: with the size of the capsule and of its result, where they came with it. */
  stage(tx: Transaction, before: State | undefined, { state, writes }: Change): State {
    const { capsules } = this.#components;
    const born = before === undefined ? writes.find((write) => write.kind === 'capsule') : undefined;
    let chars = born === undefined ? 0 : capsules.putCapsule(tx, born.capsule);
    for (const write of writes) chars += this.#write(tx, state.id, write);
    const stored = chars === 0 ? state : { ...state, bytes: state.bytes + chars };
    if (born !== undefined) capsules.add(tx, stored);
    else if (before !== undefined && stored !== before) capsules.put(tx, stored, before);
    return stored;
  }

  /** Gives how much a result adds to what is stored for the capsule. */
  #write(tx: Transaction, id: string, write: Write): number {
    const { capsules, ledger } = this.#components;
    switch (write.kind) {
      case 'result':
        return capsules.putResult(tx, id, this.#resultOf(write));
      case 'settlement':
        capsules.putSettlement(tx, id, write.settlement);
        return 0;
      case 'book':
        this.#book(tx, id, write);
        return 0;
      case 'reverse':
        ledger.reverse(tx, `capsule:${id}`);
        return 0;
      case 'dispute':
        ledger.dispute(tx, `capsule:${id}`);
        return 0;
      case 'proofs':
        putProofs(tx, write.root, write.capsule, write.proofs);
        return 0;
      case 'capsule':
      case 'spawn':
        return 0;
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

  #book(
    tx: Transaction,
    id: string,
    { debit, credit, amount, receiptHash }: Extract<Write, { kind: 'book' }>,
  ) {
    const { ledger } = this.#components;
    const microAmount = toMicro(amount);
    const entry = { reference: `capsule:${id}`, debit, credit, microAmount, receiptHash };
    if (microAmount === 0 || ledger.book(tx, entry)) return;
    throw new MeshError('conflict', `The payment of ${fromMicro(microAmount)} credits was booked before.`);
  }
}
