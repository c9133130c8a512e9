import { LatencyTracker } from '../../../src/engine/latency.ts';
import type { Clock } from '../../../src/lib/clock.ts';
import type { OffersSource } from '../../../src/market/advertisement.ts';
import type { Database } from '../../../src/store/types.ts';

/** The one that capsules ask for in the simulation. */
export const ASKED_CAPABILITY = 'text.analyze';
/** What a stock node offers, with the seconds of its manifests. */
const STOCK: Readonly<Record<string, number>> = {
  'archive.verify': 0.05,
  'archive.seal': 0.05,
  'archive.hydrate': 0.1,
  'data.store': 0.02,
  'data.get': 0.02,
  'data.list': 0.05,
  'data.delete': 0.02,
  'ai.chat': 5,
  'ai.summarize': 10,
  'ai.analyze': 15,
  'ai.embed': 1,
  'notify.send': 0.2,
  'report.create': 0.05,
  'text.analyze': 0.5,
  'text.summarize': 0.5,
  'text.keywords': 0.5,
  'text.stats': 0.3,
};
/** What a model's capability says of itself. */
const MODELS = { models: ['gemma3:4b'], model: 'gemma3:4b' };
/** Capsules waiting at one provider; more are declined as busy. */
const LONGEST_QUEUE = 8;
const ONE_SECOND_MS = 1_000;

/** A node that serves one capsule at a time, and advertises what that takes and how many wait. */
export class ModelProvider implements OffersSource {
  readonly price: number;
  /** Seconds for one capsule, on average. */
  readonly seconds: number;
  served = 0;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #latency: LatencyTracker;
  #inHand = 0;
  /** Monotonic ms when what is in hand will be done. */
  #freeAt = 0;

  constructor(
    components: { clock: Clock; random: () => number; db: Database },
    { price, seconds }: { price: number; seconds: number },
  ) {
    this.#clock = components.clock;
    this.#random = components.random;
    this.#latency = new LatencyTracker({ db: components.db });
    this.price = price;
    this.seconds = seconds;
  }

  offers(): ReturnType<OffersSource['offers']> {
    return Object.entries(STOCK).map(([id, seconds]) => ({
      capability: { id, idempotent: true },
      price: id === ASKED_CAPABILITY ? this.price : 0,
      estimatedLatency: id === ASKED_CAPABILITY ? this.#estimate() : seconds,
      ...(id.startsWith('ai.') && { detail: MODELS }),
    }));
  }

  onOffersChanged(): () => void {
    return () => {};
  }

  /** Takes a capsule and gives the ms until it is done; undefined where it is busy. */
  take(): number | undefined {
    if (this.#inHand > LONGEST_QUEUE) return undefined;
    const now = this.#clock.monotonic();
    // Exponentially distributed, so that averages differ between equals as they do in life.
    const seconds = -Math.log(1 - this.#random()) * this.seconds;
    this.#inHand++;
    this.served++;
    this.#freeAt = Math.max(this.#freeAt, now) + seconds * ONE_SECOND_MS;
    this.#clock.after(this.#freeAt - now, () => {
      this.#inHand--;
      this.#latency.record(ASKED_CAPABILITY, seconds);
    });
    return this.#freeAt - now;
  }

  /** As the engine does: the moving average, and as much again for each that is ahead. */
  #estimate(): number {
    const average = this.#latency.average(ASKED_CAPABILITY) ?? this.seconds;
    return average * (1 + this.#inHand);
  }
}
