import type { Logger } from 'pino';
import type { ExchangeMessage } from '../../../protocols/messages/v1/schema.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Network } from '../../network/types.ts';
import { callAt } from '../call-at.ts';
import type { ExchangeInit } from '../components.ts';
import { trySend } from '../try-send.ts';
import type { Peers } from './peers.ts';
import type { Performer } from './performers.ts';

/*
 * Effects that wait for another node: following its run, asking what became of it, telling it to stop. What they send
 * may be lost, so they repeat it.
 */

interface Components {
  clock: Clock;
  network: Network;
  peers: Peers;
  log: Logger;
}

/** Between two questions about a run or a step that is elsewhere, when nothing is heard. */
const ASK_MS = 60_000;
/** The same about work that was lost: its outcome is waited for. */
const ASK_SOON_MS = 5_000;
/** Between two requests to stop. */
const CANCEL_AGAIN_MS = 1_000;
/** Questions in a row without an answer, after which the coordinator of a step counts as gone. */
const UNANSWERED = 3;
/** Signs of life that may be missed. */
const MISSED_HEARTBEATS = 2;

/** Heartbeats and connection of an executor. A short loss of the connection is forgiven. */
export function watchPerformer(
  { clock, peers, ...parts }: Components,
  {
    heartbeatMs,
    graceMs,
    acceptTimeoutMs,
  }: Pick<ExchangeInit, 'heartbeatMs' | 'graceMs' | 'acceptTimeoutMs'>,
): Performer<'watch'> {
  return ({ node, epoch }, { capsule, raise, recovered }) => {
    let cancelTimer = (): void => {};
    const giveUpIn = (ms: number): void => {
      cancelTimer();
      cancelTimer = clock.after(ms, () => raise({ type: 'lost', epoch }));
    };
    const alive = (): void => giveUpIn(MISSED_HEARTBEATS * heartbeatMs + graceMs);
    const ask = (): void => {
      giveUpIn(acceptTimeoutMs + graceMs);
      void trySend(parts, node, question(capsule.id, epoch));
    };
    const stopListening = peers.listen(node, { connected: ask, disconnected: () => giveUpIn(graceMs) });
    const stopHearing = peers.hear(capsule.id, (from, heard) => {
      if (from === node && heard === epoch) alive();
    });
    if (recovered) ask();
    else alive();
    return () => {
      stopListening();
      stopHearing();
      cancelTimer();
    };
  };
}

/** At once, on every new connection, and now and then. A coordinator that never answers loses its step. */
export function askPerformer({ clock, peers, ...parts }: Components): Performer<'ask'> {
  return ({ node, epoch }, { capsule, state, raise }) => {
    let cancelTimer = (): void => {};
    let unanswered = 0;
    const ask = (): void => {
      cancelTimer();
      const lost = state().life.care?.phase.kind === 'learning';
      cancelTimer = clock.after(lost ? ASK_SOON_MS : ASK_MS, () => {
        unanswered++;
        if (unanswered < UNANSWERED || lost) ask();
        else raise({ type: 'handed_back', from: node, begun: true, epoch: 0 });
      });
      void trySend(parts, node, question(capsule.id, epoch));
    };
    const stopListening = peers.listen(node, { connected: ask });
    const stopHearing = peers.hear(capsule.id, (from) => {
      if (from === node) unanswered = 0;
    });
    ask();
    return () => {
      stopListening();
      stopHearing();
      cancelTimer();
    };
  };
}

export function cancelPerformer({ clock, peers, ...parts }: Components): Performer<'cancel'> {
  return ({ to, epoch }, { capsule }) => {
    let cancelTimer = (): void => {};
    const tell = (): void => {
      cancelTimer();
      cancelTimer = clock.after(CANCEL_AGAIN_MS, tell);
      void trySend(parts, to, { type: 'capsule_cancel', capsuleId: capsule.id, epoch });
    };
    const stopListening = peers.listen(to, { connected: tell });
    tell();
    return () => {
      stopListening();
      cancelTimer();
    };
  };
}

export function timerPerformer({ clock }: Pick<Components, 'clock'>): Performer<'timer'> {
  return ({ at }, { raise }) => callAt(clock, at, () => raise({ type: 'due' }));
}

function question(capsuleId: string, epoch: number | null): ExchangeMessage {
  return { type: 'capsule_result_request', capsuleId, ...(epoch !== null && { epoch }) };
}
