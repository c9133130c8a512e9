import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import type { ExchangeMessageOf } from '../../protocols/messages/v1/schema.ts';
import type { Settlement } from '../../protocols/settlement/v1/schema.ts';
import { fromMicro } from '../capsule/credits.ts';
import { identityOf } from '../capsule/identity.ts';
import { verifySettlement } from '../capsule/settlement.ts';
import type { CapsuleRecord, StoredResult, Transaction } from '../store/types.ts';
import { microAmount } from './admission.ts';
import type { ExchangeComponents } from './components.ts';
import type { EventLog } from './event-log.ts';
import type { Outbox } from './outbox.ts';
import { childrenOf } from './spawner.ts';

type Components = Pick<
  ExchangeComponents,
  'signer' | 'crypto' | 'db' | 'capsules' | 'ledger' | 'faults' | 'log'
> & {
  events: EventLog;
  outbox: Outbox;
  /** Told which next steps may go on. */
  onSpawned: (capsuleIds: string[]) => void;
};

/** The executor's side of a result that it delivered: countersigned, noted, or turned down (protocol "Credits"). */
export class Settlements {
  readonly #components: Components;

  constructor(components: Components) {
    this.#components = components;
  }

  /** The payer's countersignature arrived: the payment stands, and the held children may go on. */
  async onSettlement(from: string, message: ExchangeMessageOf<'capsule_settlement'>): Promise<void> {
    const { capsules, db, faults, log, outbox } = this.#components;
    faults.hit('settlement.received');
    const { settlement, capsuleId } = message;
    const record = capsules.record(capsuleId);
    const capsule = capsules.get(capsuleId);
    const stored = capsules.result(capsuleId);
    if (record === undefined || capsule === undefined || stored === undefined) return;
    // A settlement that came before is not worth another batch.
    if (!outbox.targets(capsuleId).includes(from)) return;
    if (record.replyTo !== from || !this.#fits(settlement, from, capsule, stored)) {
      return log.warn({ from, capsuleId }, 'Refused a settlement that does not fit');
    }
    const tx = db.transaction();
    capsules.putResult(tx, capsuleId, { ...stored, settlement });
    return this.#release(tx, from, capsuleId, stored);
  }

  /**
   * The receiver took note of the result. Of a paid one its payer does so with a settlement, and with nothing less; where
   * nothing is paid there is nobody to countersign, and this word alone lets the children go on.
   */
  async onAcknowledged(from: string, capsuleId: string): Promise<void> {
    const { capsules, db, faults, outbox } = this.#components;
    const record = capsules.record(capsuleId);
    const stored = capsules.result(capsuleId);
    if (record === undefined || !outbox.targets(capsuleId).includes(from)) return;
    const tx = db.transaction();
    if (record.status !== 'completed' || record.replyTo !== from || stored === undefined) {
      outbox.acknowledged(tx, from, capsuleId);
      return tx.commit({ relaxed: true });
    }
    const capsule = capsules.get(capsuleId);
    if (capsule === undefined || microAmount(capsule) > 0) return;
    faults.hit('settlement.received');
    return this.#release(tx, from, capsuleId, stored);
  }

  /**
   * The result is accepted: held children go on. Without any, the disk may take its time: what is lost of this in a crash
   * is asked for again by delivering the result again.
   */
  async #release(tx: Transaction, from: string, capsuleId: string, stored: StoredResult): Promise<void> {
    const { capsules, faults, onSpawned, outbox } = this.#components;
    outbox.acknowledged(tx, from, capsuleId);
    const children = this.#heldChildren(tx, stored);
    for (const child of children) capsules.update(tx, child, { held: false });
    await tx.commit({ relaxed: children.length === 0 });
    faults.hit('settlement.committed');
    onSpawned(children);
  }

  /**
   * The receiver does not accept this result: it has another one, or finds it wrong. Where it is the payer, what was
   * booked is reversed and the children end.
   */
  async onRefused(from: string, capsuleId: string, error: ErrorBody): Promise<void> {
    const { capsules, db, ledger, log, outbox, signer } = this.#components;
    const record = capsules.record(capsuleId);
    const capsule = capsules.get(capsuleId);
    if (record === undefined || capsule === undefined || !outbox.targets(capsuleId).includes(from)) return;
    log.info({ capsuleId, from, error }, 'A result was not accepted');
    const tx = db.transaction();
    outbox.acknowledged(tx, from, capsuleId);
    const ended = from === record.replyTo ? this.#endChildren(tx, record, error) : [];
    if (from === record.replyTo && ledger.booked(`capsule:${capsuleId}`, tx)) {
      const parties = { debit: signer.identity, credit: capsule.originIdentity };
      const refund = { ...parties, microAmount: microAmount(capsule), receiptHash: record.receiptHash };
      ledger.book(tx, { reference: `reversal:${capsuleId}`, ...refund });
    }
    await tx.commit();
    this.#tell(ended, error);
  }

  /** Nobody took the result for as long as it is kept: the payment stands here, and nothing is continued. */
  async onGivenUp(nodeId: string, capsuleId: string): Promise<void> {
    const { capsules, db, log, outbox } = this.#components;
    log.warn({ nodeId, capsuleId }, 'Gave up delivering a result that nobody acknowledged');
    const record = capsules.record(capsuleId);
    const error: ErrorBody = { code: 'unreachable', message: "The parent's result could not be delivered." };
    const tx = db.transaction();
    outbox.acknowledged(tx, nodeId, capsuleId);
    const ended = record?.replyTo === nodeId ? this.#endChildren(tx, record, error) : [];
    await tx.commit();
    this.#tell(ended, error);
  }

  #fits(settlement: Settlement, from: string, capsule: Capsule, { receipt }: StoredResult): boolean {
    const { crypto, signer } = this.#components;
    return (
      settlement.receiptHash === receipt?.receiptHash &&
      settlement.payer === identityOf(from) &&
      settlement.payee === signer.identity &&
      settlement.amount === fromMicro(microAmount(capsule)) &&
      verifySettlement(crypto, settlement, { schemaChecked: true }).ok
    );
  }

  /** Whatever ends a child releases it too. */
  #heldChildren(tx: Transaction, { steps }: StoredResult): string[] {
    const { capsules } = this.#components;
    return childrenOf(steps).filter((child) => capsules.record(child, tx)?.held === true);
  }

  #endChildren(tx: Transaction, { id }: CapsuleRecord, error: ErrorBody): string[] {
    const { capsules } = this.#components;
    const stored = capsules.result(id, tx);
    const children = stored === undefined ? [] : this.#heldChildren(tx, stored);
    const nothing = { result: null, receipt: null, assignment: null, settlement: null, steps: [] };
    for (const child of children) {
      capsules.setStatus(tx, child, 'failed', { error, held: false });
      capsules.putResult(tx, child, nothing);
    }
    return children;
  }

  #tell(children: string[], error: ErrorBody): void {
    for (const capsuleId of children) {
      this.#components.events.emit({ type: 'done', capsuleId, status: 'failed', error });
    }
  }
}
