import type { Assignment } from '../../protocols/assignment/v1/schema.ts';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import type { ExchangeMessageOf } from '../../protocols/messages/v1/schema.ts';
import { verifyAssignment } from '../capsule/assignment.ts';
import { checkCapsule } from '../capsule/check-capsule.ts';
import { identityOf, nodeIdOf } from '../capsule/identity.ts';
import type { CapsuleRecord } from '../store/types.ts';
import { refusalOf } from './admission.ts';
import type { ExchangeComponents } from './components.ts';
import type { Coordinator } from './coordinator.ts';
import type { EventLog } from './event-log.ts';
import type { Executor } from './executor.ts';
import type { Outbox } from './outbox.ts';
import { hasEnded, newRecord, rootOf } from './records.ts';
import { trySend } from './try-send.ts';

/** What a declined coordinator is told to wait when this node is full. */
const BUSY_RETRY_MS = 1_000;

type Components = Pick<
  ExchangeComponents,
  'signer' | 'crypto' | 'clock' | 'db' | 'capsules' | 'engine' | 'ledger' | 'network' | 'faults' | 'log'
> & { events: EventLog; executor: Executor; coordinator: Pick<Coordinator, 'full'>; outbox: Outbox };

/** What other nodes ask this one to execute, and what became of it (node "One way for a capsule"). */
export class Orders {
  readonly #components: Components;
  readonly #nodeId: string;

  constructor(components: Components) {
    this.#components = components;
    this.#nodeId = nodeIdOf(components.signer.identity);
  }

  /** Verify, check the lease, admit, store, accept, execute. Nothing is kept of what is refused. */
  async onOrder(from: string, message: ExchangeMessageOf<'capsule_data'>): Promise<void> {
    const { faults, capsules, crypto, clock } = this.#components;
    faults.hit('order.received');
    const { exchangeId, assignment } = message;
    const decline = (error: ErrorBody) => this.#decline(from, exchangeId, message.capsule.id, error);
    if (assignment === undefined) return decline(leaseInvalid('An order needs an assignment.'));
    const checked = checkCapsule(crypto, message.capsule, { now: clock.now(), schemaChecked: true });
    if (!checked.ok) return decline(checked.error);
    const { capsule } = checked;
    const problem = this.#leaseProblem(from, capsule, assignment);
    if (problem !== undefined) return decline(leaseInvalid(problem));
    const known = capsules.record(capsule.id);
    if (known !== undefined && known.coordinator !== from) {
      return decline({ code: 'conflict', message: 'Another node coordinates this capsule.' });
    }
    // It is never executed twice here, so an order for it is a question.
    if (known !== undefined && (known.executor === this.#nodeId || hasEnded(known))) {
      return this.#tellAbout(from, exchangeId, known);
    }
    const refusal = this.#refusal(capsule);
    if (refusal !== undefined) return decline(refusal);
    return this.#accept(from, exchangeId, capsule, assignment, known);
  }

  /** "What became of it?" Only the nodes that are owed the answer get it. */
  async onResultRequest(from: string, message: ExchangeMessageOf<'capsule_result_request'>): Promise<void> {
    const { exchangeId, capsuleId } = message;
    const record = this.#components.capsules.record(capsuleId);
    if (record !== undefined && (from === record.coordinator || from === record.replyTo)) {
      return this.#tellAbout(from, exchangeId, record);
    }
    const error: ErrorBody = { code: 'not_found', message: 'This node does not know that capsule.' };
    return this.#decline(from, exchangeId, capsuleId, error);
  }

  async #accept(
    from: string,
    exchangeId: string,
    capsule: Capsule,
    assignment: Assignment,
    known: CapsuleRecord | undefined,
  ): Promise<void> {
    const { executor, events, faults, engine } = this.#components;
    const { id: capsuleId } = capsule;
    const run = executor.admit(capsule, assignment);
    const stored = this.#store(from, capsule, assignment, known).then(async () => {
      faults.hit('order.stored');
      events.emit({ type: 'status', capsuleId, status: 'executing', executor: this.#nodeId });
      // The result says it as well, and is on its way.
      if (run.concluded) return;
      await trySend(this.#components, from, { type: 'capsule_accept', exchangeId, capsuleId });
      faults.hit('accept.sent');
    });
    // What may run twice need not wait for the disk: nothing is promised yet, and the outcome's batch cannot overtake
    // the order's. Quick work gets by with one batch for both.
    const atOnce = engine.offer(capsule.requestedCapability)?.capability.idempotent === true;
    if (!atOnce) {
      try {
        await stored;
      } catch (error) {
        executor.dismiss(run);
        throw error;
      }
    }
    await Promise.all([stored, executor.execute(run)]);
  }

  async #store(
    from: string,
    capsule: Capsule,
    assignment: Assignment,
    known: CapsuleRecord | undefined,
  ): Promise<void> {
    const { db, capsules, clock, executor } = this.#components;
    const tx = db.transaction();
    if (known === undefined) {
      const { replyTo } = assignment;
      const role = { now: clock.now(), coordinator: from, replyTo, root: rootOf(capsule), held: false };
      capsules.add(tx, capsule, newRecord(capsule, role));
    }
    executor.take(tx, capsule, assignment, 1);
    await tx.commit();
  }

  /** Answers for a capsule that this node has: on its way, or with how it ended. */
  async #tellAbout(from: string, exchangeId: string, record: CapsuleRecord): Promise<void> {
    const { outbox, db, executor } = this.#components;
    // What is said here must survive this node.
    await db.flushed();
    const { id: capsuleId } = record;
    // A completed result is its executor's to tell, also where this node coordinated it.
    const mine = record.status !== 'completed' || record.executor === this.#nodeId;
    const running = executor.isRunning(capsuleId);
    const result = mine && !running ? outbox.resultMessage(capsuleId) : undefined;
    if (result !== undefined) return void (await trySend(this.#components, from, result));
    await trySend(this.#components, from, { type: 'capsule_accept', exchangeId, capsuleId });
  }

  #refusal(capsule: Capsule): ErrorBody | undefined {
    const { executor, coordinator } = this.#components;
    const continues = capsule.next !== null && capsule.next.length > 0;
    if (executor.full || (continues && coordinator.full)) {
      return { code: 'busy', message: 'This node has as much in hand as it can take.' };
    }
    return refusalOf(this.#components, capsule);
  }

  /** Why the assignment does not entitle `from` to order this here (protocol "Assignment"), or undefined. */
  #leaseProblem(from: string, capsule: Capsule, assignment: Assignment): string | undefined {
    const { signer, crypto, clock } = this.#components;
    const submitter = identityIn(assignment.replyTo);
    if (submitter === undefined) return 'The assignment\'s "replyTo" is not a node.';
    if (assignment.capsuleId !== capsule.id) return 'The assignment names another capsule.';
    if (assignment.executor !== signer.identity) return 'The assignment names another executor.';
    if (assignment.coordinator !== identityOf(from)) return "The assignment is not the sender's.";
    if (assignment.coordinator !== (capsule.delegation?.spawner ?? submitter)) {
      return 'Only the node that spawned or submitted a capsule may assign it.';
    }
    if (capsule.paymentRule !== null && submitter !== capsule.originIdentity) {
      return "Results of a paid capsule go to its origin's node.";
    }
    if (assignment.expiresAt + LIMITS.clockSkewMs < clock.now()) return 'The lease has expired.';
    if (!verifyAssignment(crypto, assignment, { schemaChecked: true }).ok) {
      return "The assignment's signature does not verify.";
    }
    return undefined;
  }

  async #decline(to: string, exchangeId: string, capsuleId: string, error: ErrorBody): Promise<void> {
    const load = this.#components.engine.load();
    const retry = error.code === 'busy' ? { retryAfterMs: BUSY_RETRY_MS } : {};
    const message = { type: 'capsule_decline', exchangeId, capsuleId, ...error, ...retry, load } as const;
    await trySend(this.#components, to, message);
  }
}

function leaseInvalid(message: string): ErrorBody {
  return { code: 'lease_invalid', message };
}

/** A peer can put into a message what looks like a node id and is none. */
function identityIn(nodeId: string): string | undefined {
  try {
    return identityOf(nodeId);
  } catch {
    return undefined;
  }
}
