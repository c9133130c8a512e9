import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { ExchangeInit } from './components.ts';

/** How one provider's attempt ended, as far as the coordinator can tell. */
export type AttemptOutcome =
  | { kind: 'accepted' }
  | { kind: 'declined'; error: ErrorBody; retryAfterMs: number }
  | { kind: 'failed'; error: ErrorBody }
  /** It took the order, and its connection or its heartbeats stopped. */
  | { kind: 'lost' }
  /** It never answered the order. */
  | { kind: 'silent' };

type State = 'ordered' | 'executing' | 'disconnected' | 'ended';

/**
 * One lease as its grantor sees it: ordered, executing while heartbeats come, disconnected for at most the grace
 * period, ended once. Reports come in by the methods; `outcome` resolves once.
 */
export class RemoteAttempt {
  readonly nodeId: string;
  readonly outcome: Promise<AttemptOutcome>;
  readonly #clock: Pick<Clock, 'after'>;
  readonly #init: Pick<ExchangeInit, 'acceptTimeoutMs' | 'leaseMs' | 'graceMs'>;
  readonly #resolve: (outcome: AttemptOutcome) => void;
  #state: State = 'ordered';
  #cancelTimer: () => void;

  constructor(
    nodeId: string,
    clock: Pick<Clock, 'after'>,
    init: Pick<ExchangeInit, 'acceptTimeoutMs' | 'leaseMs' | 'graceMs'>,
  ) {
    this.nodeId = nodeId;
    this.#clock = clock;
    this.#init = init;
    const { promise, resolve } = Promise.withResolvers<AttemptOutcome>();
    this.outcome = promise;
    this.#resolve = resolve;
    this.#cancelTimer = clock.after(init.acceptTimeoutMs, () => this.end({ kind: 'silent' }));
  }

  get taken(): boolean {
    return this.#state !== 'ordered';
  }

  /** Acceptance, a heartbeat or progress: the lease holds on. */
  alive(): void {
    if (this.#state === 'ended') return;
    this.#state = 'executing';
    this.#arm(this.#init.leaseMs + this.#init.graceMs, { kind: 'lost' });
  }

  /** A short loss of the connection is forgiven. */
  disconnected(): void {
    if (this.#state === 'ended') return;
    const outcome: AttemptOutcome = this.#state === 'ordered' ? { kind: 'silent' } : { kind: 'lost' };
    if (this.#state === 'executing') this.#state = 'disconnected';
    this.#arm(this.#init.graceMs, outcome);
  }

  /** True where the node must be asked whether it still has the work: it may have restarted without it. */
  reconnected(): boolean {
    if (this.#state !== 'disconnected') return false;
    this.#arm(this.#init.acceptTimeoutMs, { kind: 'lost' });
    return true;
  }

  /** After a cancellation the outcome is awaited only so long. */
  cancelling(error: ErrorBody): void {
    if (this.#state !== 'ended') this.#arm(this.#init.graceMs, { kind: 'failed', error });
  }

  end(outcome: AttemptOutcome): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#cancelTimer();
    this.#resolve(outcome);
  }

  #arm(ms: number, outcome: AttemptOutcome): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#clock.after(ms, () => this.end(outcome));
  }
}
