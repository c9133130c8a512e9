import type { Logger } from 'pino';
import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import type { ErrorBody } from '../../../protocols/common/v1/errors.ts';
import type { ExchangeMessage, ExchangeMessageOf } from '../../../protocols/messages/v1/schema.ts';
import { wireError } from '../../capsule/messages.ts';
import type { Engine } from '../../engine/types.ts';
import type { FaultPoints } from '../../lib/fault-points.ts';
import type { Network } from '../../network/types.ts';
import type { Capsules } from '../components.ts';
import type { Reply } from '../machine/effect.ts';
import type { State } from '../machine/state.ts';
import { trySend } from '../try-send.ts';
import type { Outcomes } from './outcomes.ts';

/** What a node that is full asks others to wait, in milliseconds. */
const BUSY_RETRY_MS = 1_000;

type Decline = Omit<ExchangeMessageOf<'capsule_decline'>, 'type' | 'load' | 'code' | 'message' | 'detail'>;

interface Components {
  network: Network;
  engine: Pick<Engine, 'load'>;
  capsules: Pick<Capsules, 'result'>;
  outcomes: Outcomes;
  faults: FaultPoints;
  log: Logger;
}

/** Says to other nodes what a change answers. What is lost on the way is asked for again. */
export class Replies {
  readonly #components: Components;

  constructor(components: Components) {
    this.#components = components;
  }

  send(capsule: Capsule, state: State, reply: Reply): void {
    const { id: capsuleId } = capsule;
    const { faults } = this.#components;
    const { to } = reply;
    switch (reply.kind) {
      case 'accept_order':
        faults.hit('order.stored');
        // The result says it as well, and is on its way.
        if (state.life.work?.kind !== 'running') return;
        this.#say(to, { type: 'capsule_accept', capsuleId, of: 'order', epoch: reply.epoch });
        return faults.hit('accept.sent');
      case 'decline_order':
        return this.decline(to, { capsuleId, of: 'capsule_data', epoch: reply.epoch }, reply.error);
      case 'acknowledge':
        this.#say(to, this.#acknowledgement(capsule, reply));
        return faults.hit('settlement.sent');
      case 'decline_result':
        return this.decline(
          to,
          { capsuleId, of: 'capsule_result', epoch: reply.epoch, ...this.#winner(state) },
          reply.error,
        );
      case 'confirm_cancel':
        return this.#say(to, { type: 'capsule_accept', capsuleId, of: 'cancel', epoch: reply.epoch });
      case 'tell': {
        const outcome = this.#components.outcomes.messageFor(to, state);
        return outcome === undefined ? undefined : this.#say(to, outcome);
      }
      case 'cancel':
        return this.#say(to, { type: 'capsule_cancel', capsuleId, epoch: reply.epoch });
      case 'hand_back': {
        const error = state.error ?? { code: 'no_provider', message: 'It is coordinated here no more.' };
        const { code, message } = error;
        return this.decline(
          to,
          { capsuleId, of: HAND_BACK, epoch: reply.epoch },
          { code, message, detail: { begun: reply.begun } },
        );
      }
    }
  }

  /** It is coordinated here, and not done yet. */
  inHand(to: string, capsuleId: string, epoch: number): void {
    this.#say(to, { type: 'capsule_accept', capsuleId, of: 'order', epoch });
  }

  decline(to: string, about: Decline, error: ErrorBody, retryAfterMs?: number): void {
    const load = this.#components.engine.load();
    const wait = retryAfterMs ?? (error.code === 'busy' ? BUSY_RETRY_MS : undefined);
    const pause = wait === undefined ? {} : { retryAfterMs: wait };
    this.#say(to, { type: 'capsule_decline', ...about, ...wireError(error), ...pause, load });
  }

  /** Paid work is settled; of all else this word is enough. */
  #acknowledgement(
    { id: capsuleId, paymentRule }: Capsule,
    { epoch, settled }: Extract<Reply, { kind: 'acknowledge' }>,
  ): ExchangeMessage {
    const stored = settled && paymentRule !== null ? this.#components.capsules.result(capsuleId) : undefined;
    if (stored?.settlement) return { type: 'capsule_settlement', capsuleId, settlement: stored.settlement };
    return { type: 'capsule_accept', capsuleId, of: 'result', epoch };
  }

  #winner({ id, status }: State): Pick<Decline, 'winner'> {
    const stored = status === 'completed' ? this.#components.capsules.result(id) : undefined;
    if (!stored?.receipt || stored.assignment === null) return {};
    return { winner: { receipt: stored.receipt, lease: stored.assignment } };
  }

  #say(to: string, message: ExchangeMessage): void {
    void trySend(this.#components, to, message);
  }
}

/** `of` in the word of a coordinator that gives a step back to its submitter. */
export const HAND_BACK = 'coordination';
