import type { Assignment } from '../../protocols/assignment/v1/schema.ts';
import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import type { ExchangeMessageOf } from '../../protocols/messages/v1/schema.ts';
import { verifyAssignment } from '../capsule/assignment.ts';
import { identityOf, nodeIdOf } from '../capsule/identity.ts';
import type { CapsuleRecord } from '../store/types.ts';
import type { Acceptance } from './acceptance.ts';
import type { ExchangeComponents } from './components.ts';
import type { EventLog } from './event-log.ts';
import { CANCELLED, EXPIRED, expiryOf } from './planner.ts';
import { hasEnded } from './records.ts';
import { trySend } from './try-send.ts';

/** How often a coordinator is asked after what it still owes: rarely, since it tells by itself. */
const ASK_INTERVAL_MS = 60_000;
/** How long after the expiry the coordinator's word is waited for. */
const EXPIRY_GRACE_MS = 60_000;

type Components = Pick<
  ExchangeComponents,
  'signer' | 'crypto' | 'clock' | 'db' | 'capsules' | 'network' | 'log'
> & { events: EventLog; acceptance: Pick<Acceptance, 'abandon'> };

/**
 * Next steps of workflows that were submitted here, which other nodes coordinate. Their coordinators tell what
 * becomes of them; this makes sure that each ends even where its coordinator is gone for good.
 */
export class Elsewhere {
  readonly #components: Components;
  readonly #nodeId: string;
  #cancelTimer: () => void = () => {};

  constructor(components: Components) {
    this.#components = components;
    this.#nodeId = nodeIdOf(components.signer.identity);
  }

  start(): void {
    this.#cancelTimer = this.#components.clock.after(ASK_INTERVAL_MS, () => {
      this.start();
      this.#askAfterAll().catch((error: unknown) =>
        this.#components.log.error({ err: error }, 'Asking after next steps failed'),
      );
    });
  }

  stop(): void {
    this.#cancelTimer();
  }

  /** Its coordinator is asked to end it; where that cannot be reached it ends here, and a later result is declined. */
  async cancel({ id: capsuleId, coordinator, epoch }: CapsuleRecord): Promise<void> {
    const exchangeId = capsuleId.slice(0, 16);
    const message = { type: 'capsule_cancel', exchangeId, capsuleId, epoch: Math.max(1, epoch) } as const;
    if (await trySend(this.#components, coordinator, message)) return;
    await this.#components.acceptance.abandon(capsuleId, CANCELLED);
  }

  /** Its coordinator does not know it any more, which it would, had it kept its data. */
  async onUnknown(from: string, capsuleId: string): Promise<void> {
    const record = this.#components.capsules.record(capsuleId);
    if (record === undefined || record.coordinator !== from || !this.#waitsFor(record)) return;
    const message = 'The node that coordinated this step has lost it.';
    await this.#components.acceptance.abandon(capsuleId, { code: 'interrupted', message });
  }

  /** Whether a report comes from the node that executes the step; the first one must prove that it may. */
  onProgress(from: string, message: ExchangeMessageOf<'capsule_progress'>): boolean {
    const record = this.#components.capsules.record(message.capsuleId);
    if (record === undefined || !this.#waitsFor(record) || record.executor === this.#nodeId) return false;
    if (record.executor === from) return true;
    const { assignment } = message;
    if (assignment === undefined || !this.#isLease(assignment, from, record)) return false;
    this.#noteExecutor(record, from, assignment.epoch).catch((error: unknown) =>
      this.#components.log.error({ capsuleId: record.id, err: error }, 'An executor could not be noted'),
    );
    return true;
  }

  #waitsFor(record: CapsuleRecord): boolean {
    return record.coordinator !== this.#nodeId && record.replyTo === this.#nodeId && !hasEnded(record);
  }

  #isLease(assignment: Assignment, from: string, record: CapsuleRecord): boolean {
    return (
      assignment.capsuleId === record.id &&
      assignment.executor === identityOf(from) &&
      assignment.coordinator === identityOf(record.coordinator) &&
      assignment.epoch > record.epoch &&
      verifyAssignment(this.#components.crypto, assignment, { schemaChecked: true }).ok
    );
  }

  async #noteExecutor({ id, status }: CapsuleRecord, executor: string, epoch: number): Promise<void> {
    const { capsules, db, events } = this.#components;
    const patch = { executor, epoch, note: `executed at ${executor}` };
    const tx = db.transaction();
    if (status === 'executing') capsules.update(tx, id, patch);
    else capsules.setStatus(tx, id, 'executing', patch);
    await tx.commit();
    events.emit({ type: 'status', capsuleId: id, status: 'executing', executor });
  }

  async #askAfterAll(): Promise<void> {
    const { capsules, clock } = this.#components;
    for await (const record of capsules.unfinished()) {
      const capsule = this.#waitsFor(record) ? capsules.get(record.id) : undefined;
      if (capsule === undefined) continue;
      const overdue = expiryOf(capsule) + EXPIRY_GRACE_MS < clock.now();
      if (overdue) await this.#components.acceptance.abandon(record.id, EXPIRED satisfies ErrorBody);
      else this.#ask(record);
    }
  }

  #ask({ id: capsuleId, coordinator }: CapsuleRecord): void {
    const exchangeId = capsuleId.slice(0, 16);
    const question = { type: 'capsule_result_request', exchangeId, capsuleId } as const;
    void trySend(this.#components, coordinator, question);
  }
}
