import type { Capsule, ExecutionPolicy, NextStep, PaymentRule } from '../../protocols/capsule/v1/schema.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { createCapsule, signCapsule } from '../../src/capsule/capsule.ts';
import type { Clock } from '../../src/lib/clock.ts';
import type { Crypto } from '../../src/lib/crypto.ts';
import type { TestKey } from '../support/keys.ts';

/** May run twice, may not, always fails, and is offered by nobody. */
const CAPABILITIES = {
  again: 'work.echo',
  once: 'work.once',
  fails: 'work.fail',
  unknown: 'work.unknown',
} as const;

/** What nodes offer, by their number: some everything, some a part, some nothing. Prices differ. */
export function offersOf(number: number): Record<string, number> {
  const price = [0, 0, 0, 0.25, 0.5, 2][number % 6] ?? 0;
  if (number % 8 === 7) return {};
  if (number % 8 === 6) return { [CAPABILITIES.again]: price };
  if (number % 8 === 5) return { [CAPABILITIES.once]: price };
  return { [CAPABILITIES.again]: price, [CAPABILITIES.once]: price, [CAPABILITIES.fails]: 0 };
}

/** What byzantine nodes claim to do: everything, for nothing. */
export const CLAIMED = [CAPABILITIES.again, CAPABILITIES.once, CAPABILITIES.fails];

/** The work that nobody may do twice. */
export function mayRepeat({ requestedCapability, executionPolicy }: Capsule): boolean {
  return requestedCapability !== CAPABILITIES.once && executionPolicy?.atMostOnce !== true;
}

/** Draws capsules of every kind, the same for the same random numbers. */
export class Workload {
  readonly #random: () => number;
  readonly #crypto: Crypto;
  #count = 0;

  constructor(components: { random: () => number; crypto: Crypto }) {
    this.#random = components.random;
    this.#crypto = components.crypto;
  }

  /** A capsule of this origin's; `user`, where given, is the origin and `key` only its submitter. */
  capsule(key: TestKey, clock: Pick<Clock, 'now'>, user?: TestKey): Capsule {
    const paid = user === undefined && this.#chance(0.4);
    const policy = this.#policy(clock.now(), paid);
    if (user !== undefined) policy.submitter = key.identity;
    const origin = user ?? key;
    const steps = this.#chance(0.3) ? this.#steps(1 + Math.floor(2 * this.#random())) : null;
    const unsigned = createCapsule(
      {
        originIdentity: origin.identity,
        requestedCapability: this.#capability(),
        payload: this.#payload(),
        paymentRule: paid ? this.#payment() : null,
        privacyRule: user === undefined && this.#chance(0.03) ? 'restricted' : 'public',
        executionPolicy: Object.keys(policy).length > 0 ? policy : null,
        next: steps,
      },
      clock,
    );
    return signCapsule(origin.signer, this.#crypto, unsigned);
  }

  #capability(): string {
    const lot = this.#random();
    if (lot < 0.6) return CAPABILITIES.again;
    if (lot < 0.95) return CAPABILITIES.once;
    return lot < 0.98 ? CAPABILITIES.fails : CAPABILITIES.unknown;
  }

  #payload(): JsonObject {
    const ms = this.#duration();
    return { number: this.#count++, ...(ms > 0 && { ms }) };
  }

  /** Mostly short, some longer than a heartbeat. */
  #duration(): number {
    const lot = this.#random();
    if (lot < 0.6) return 0;
    return Math.ceil(this.#random() * (lot < 0.97 ? 500 : 25_000));
  }

  #payment(): PaymentRule {
    const amount = 1 + Math.floor(3 * this.#random());
    return { type: 'credit', amount, ...(this.#chance(0.3) && { charge: 'price' as const }) };
  }

  #policy(now: number, paid: boolean): ExecutionPolicy {
    const policy: ExecutionPolicy = {};
    if (this.#chance(0.2)) policy.expiresAt = now + 5_000 + Math.floor(240_000 * this.#random());
    if (this.#chance(0.1)) policy.timeout = 200 + Math.floor(10_000 * this.#random());
    if (this.#chance(0.2)) policy.maxRetries = Math.floor(4 * this.#random());
    if (this.#chance(0.1)) policy.atMostOnce = true;
    if (!paid && this.#chance(0.3)) policy.continueAt = 'executor';
    return policy;
  }

  #steps(depth: number): NextStep[] {
    const count = this.#chance(0.15) ? 2 : 1;
    return Array.from({ length: count }, (): NextStep => {
      // One in twenty asks for what no result has.
      const value = this.#chance(0.05) ? '$result.absent' : '$result.number';
      const ms = this.#duration();
      return {
        requestedCapability: this.#capability(),
        payloadTemplate: { number: this.#count++, of: value, ...(ms > 0 && { ms }) },
        ...(this.#chance(0.2) && { paymentRule: null }),
        ...(depth > 1 && { next: this.#steps(depth - 1) }),
      };
    });
  }

  #chance(part: number): boolean {
    return this.#random() < part;
  }
}
