import type { ErrorBody } from '../../../protocols/common/v1/errors.ts';
import type { ExchangeMessageOf } from '../../../protocols/messages/v1/schema.ts';
import { toldError } from '../../capsule/messages.ts';
import type { ExchangeComponents } from '../components.ts';
import type { Peers } from '../effects/peers.ts';
import { HAND_BACK, type Replies } from '../effects/replies.ts';
import { handBack } from '../machine/coordinator.ts';
import { hasEnded, type State } from '../machine/state.ts';
import { cancelled } from '../machine/verdicts.ts';
import type { Runtime } from '../runtime.ts';
import type { Cancels } from './cancels.ts';
import type { Results } from './result.ts';

type Components = Pick<ExchangeComponents, 'faults'> & {
  runtime: Runtime;
  results: Results;
  replies: Replies;
  cancels: Cancels;
  peers: Peers;
};

const UNKNOWN: ErrorBody = { code: 'not_found', message: 'This node does not know that capsule.' };

/** Answers to what this node asked, and questions about what it has in hand. */
export class Answers {
  readonly #components: Components;

  constructor(components: Components) {
    this.#components = components;
  }

  async onAccept(from: string, { capsuleId, of, epoch }: ExchangeMessageOf<'capsule_accept'>): Promise<void> {
    const { runtime, results, peers, faults } = this.#components;
    if (of === 'result') return results.onAcknowledged(from, capsuleId, epoch);
    if (runtime.state(capsuleId) === undefined) return;
    if (of === 'cancel') return runtime.take(capsuleId, { type: 'cancel_confirmed', from, epoch });
    faults.hit('accept.received');
    const newest = this.#newestLease(from, capsuleId, epoch);
    // Of a step that another node coordinates: it is still at it.
    if (newest === undefined) return peers.heard(from, capsuleId, epoch);
    // Also the answer to a question after a lost connection.
    peers.heard(from, capsuleId, newest);
    return runtime.take(capsuleId, { type: 'accepted', from, epoch: newest });
  }

  /** What was declined tells what it means. */
  async onDecline(from: string, message: ExchangeMessageOf<'capsule_decline'>): Promise<void> {
    const { runtime, results } = this.#components;
    const { capsuleId, of, epoch = 0, retryAfterMs = 0 } = message;
    if (capsuleId === null || runtime.state(capsuleId) === undefined) return;
    switch (of) {
      case 'capsule_data':
        return runtime.take(capsuleId, {
          type: 'declined',
          from,
          epoch,
          error: toldError(message),
          retryAfterMs,
        });
      case 'capsule_result':
        return results.onRefused(from, message);
      case 'capsule_result_request':
        if (message.code === 'not_found') await runtime.take(capsuleId, { type: 'unknown', from, epoch });
        return;
      case 'capsule_cancel':
        return runtime.take(capsuleId, { type: 'cancel_confirmed', from, epoch });
      case HAND_BACK: {
        const { detail } = message;
        const begun = !(isRecord(detail) && detail.begun === false);
        return runtime.take(capsuleId, { type: 'handed_back', from, begun, epoch });
      }
    }
  }

  /** "What became of it?" Only the nodes that are owed the answer get it. */
  async onResultRequest(
    from: string,
    { capsuleId, epoch }: ExchangeMessageOf<'capsule_result_request'>,
  ): Promise<void> {
    const { runtime, replies, cancels } = this.#components;
    await runtime.durable(capsuleId);
    const state = runtime.state(capsuleId);
    const capsule = runtime.capsule(capsuleId);
    if (state === undefined || capsule === undefined || !mayAsk(from, state)) {
      // Its order may still be on the way, and is not taken any more once this was said.
      if (epoch !== undefined) cancels.remember(from, capsuleId, epoch);
      const about = { capsuleId, of: 'capsule_result_request', ...(epoch !== undefined && { epoch }) };
      return replies.decline(from, about, UNKNOWN);
    }
    const { care, work } = state.life;
    if (work?.kind === 'running')
      return replies.send(capsule, state, { kind: 'accept_order', to: from, epoch: work.lease.epoch });
    // What this node gave up is its submitter's again, whatever a run of this node's own came to.
    if (work !== null && (care === null || state.status !== 'failed'))
      return replies.send(capsule, state, { kind: 'tell', to: from });
    if (care === null) return;
    if (hasEnded(state)) replies.send(capsule, state, handBack(state, care));
    else replies.inHand(from, capsuleId, state.epoch);
  }

  /** From the coordinator it stops a run here; from the submitter it ends what this node coordinates. */
  async onCancel(from: string, { capsuleId, epoch }: ExchangeMessageOf<'capsule_cancel'>): Promise<void> {
    const { runtime, replies, cancels } = this.#components;
    const state = runtime.state(capsuleId);
    if (state === undefined || !mayAsk(from, state)) {
      cancels.remember(from, capsuleId, epoch);
      return replies.decline(from, { capsuleId, of: 'capsule_cancel', epoch }, UNKNOWN);
    }
    if (state.life.work !== null)
      await runtime.take(capsuleId, { type: 'stopped', from, epoch, error: cancelled() });
    if (state.life.care !== null && from === state.submitter)
      await runtime.take(capsuleId, { type: 'cancel' });
  }

  /** A sign of life of whoever this node gave the newest lease; true where its words are to be passed on. */
  onSignOfLife(from: string, capsuleId: string, epoch: number): boolean {
    const { runtime, peers } = this.#components;
    const kind = runtime.stateInHand(capsuleId)?.life.care?.phase.kind;
    const newest = kind === undefined ? undefined : this.#newestLease(from, capsuleId, epoch);
    if (newest === undefined) return false;
    if (kind === 'ordered' || kind === 'waiting' || kind === 'learning')
      runtime.raise(capsuleId, { type: 'accepted', from, epoch: newest });
    peers.heard(from, capsuleId, newest);
    return kind !== 'ended' && kind !== 'cancelling';
  }

  /**
   * The epoch of the newest lease where `from` holds it and speaks under a lease of this node. It may be at it under an
   * older one, and goes on with that when it is ordered again.
   */
  #newestLease(from: string, capsuleId: string, epoch: number): number | undefined {
    const grants = this.#components.runtime.state(capsuleId)?.life.care?.grants ?? [];
    const newest = grants.at(-1);
    if (newest?.executor !== from) return undefined;
    const granted = grants.some(({ executor, lease }) => executor === from && lease.epoch === epoch);
    return granted ? newest.lease.epoch : undefined;
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

function mayAsk(from: string, { coordinator, submitter }: State): boolean {
  return from === coordinator || from === submitter;
}
