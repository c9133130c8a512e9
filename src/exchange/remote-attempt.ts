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
  | { kind: 'silent' }
  /** This node stops: nothing is known, and nothing is concluded. */
  | { kind: 'stopped' };

type Waits = Pick<ExchangeInit, 'acceptTimeoutMs' | 'leaseMs' | 'graceMs'>;

/**
 * One lease as its grantor sees it: ordered, taken while heartbeats come, away for at most the grace period, ended
 * once. Reports come in by the methods; `outcome` resolves once.
 */
export class RemoteAttempt {
  readonly nodeId: string;
  readonly outcome: Promise<AttemptOutcome>;
  readonly #clock: Pick<Clock, 'after'>;
  readonly #waits: Waits;
  readonly #resolve: (outcome: AttemptOutcome) => void;
  #taken = false;
  #away = false;
  #cancelling = false;
  #ended = false;
  #cancelTimer: () => void = () => {};

  constructor(nodeId: string, clock: Pick<Clock, 'after'>, waits: Waits) {
    this.nodeId = nodeId;
    this.#clock = clock;
    this.#waits = waits;
    const { promise, resolve } = Promise.withResolvers<AttemptOutcome>();
    this.outcome = promise;
    this.#resolve = resolve;
    this.#giveUpIn(waits.acceptTimeoutMs);
  }

  /** Whether it ever said that it took the order. */
  get taken(): boolean {
    return this.#taken;
  }

  /** Acceptance, a heartbeat or progress: the lease holds on. */
  alive(): void {
    this.#taken = true;
    this.#away = false;
    this.#giveUpIn(this.#waits.leaseMs + this.#waits.graceMs);
  }

  /** A short loss of the connection is forgiven. */
  disconnected(): void {
    this.#away = true;
    this.#giveUpIn(this.#waits.graceMs);
  }

  /** It could not be asked. It may come back within the time that an answer may take. */
  unreachable(): void {
    this.#away = true;
  }

  /** True where the node must be asked whether it has the work: the order, or all it knew, may be gone. */
  reconnected(): boolean {
    if (!this.#away) return false;
    this.#away = false;
    this.#giveUpIn(this.#waits.acceptTimeoutMs);
    return true;
  }

  /** The outcome is awaited only so long, whatever else is heard. */
  cancelling(error: ErrorBody): void {
    this.#arm(this.#waits.graceMs, { kind: 'failed', error });
    this.#cancelling = true;
  }

  end(outcome: AttemptOutcome): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelTimer();
    this.#resolve(outcome);
  }

  #giveUpIn(ms: number): void {
    this.#arm(ms, this.#taken ? { kind: 'lost' } : { kind: 'silent' });
  }

  #arm(ms: number, outcome: AttemptOutcome): void {
    if (this.#ended || this.#cancelling) return;
    this.#cancelTimer();
    this.#cancelTimer = this.#clock.after(ms, () => this.end(outcome));
  }
}
