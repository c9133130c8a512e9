import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { Ring } from '../../protocols/common/v1/schema.ts';
import { isWholeMicro, toMicro } from '../capsule/credits.ts';
import { nodeIdOf } from '../capsule/identity.ts';
import { BestFirst } from './best-first.ts';
import { visitDearer } from './class-tree.ts';
import { type CapabilityRings, type Entry, type RemoteRing, sizeOf } from './entry.ts';
import type { ProviderTable } from './provider-table.ts';
import type { EntryClass } from './ring-index.ts';
import { scoreOf, stepOf } from './score.ts';
import { type Draw, drawOf, spread } from './spread.ts';
import type { Candidate, ChooseOptions, Decision, ExclusionReason, Scheduler } from './types.ts';

/** This node's name in a ranking. */
export const LOCAL = 'local';
/** Candidates a decision keeps: more than `maxRetries` admits. */
export const MAX_RANKED = 16;
/** Left out ones that a decision names. */
export const MAX_EXCLUDED_NAMED = 16;
/** Prices at which equals are merged; of equals at more prices, the cheapest come first. */
const MAX_TIED_PRICES = 64;

const REMOTE_RINGS: readonly RemoteRing[] = ['ring1', 'ring2', 'global'];
/** Without a preference all rings compete by score; else the preferred goes first, then nearer ones, then farther. */
const TIERS: Readonly<Record<Ring | 'none', readonly (readonly Ring[])[]>> = {
  none: [['local', 'ring1', 'ring2', 'global']],
  local: [['local'], ['ring1'], ['ring2'], ['global']],
  ring1: [['ring1'], ['local'], ['ring2'], ['global']],
  ring2: [['ring2'], ['ring1'], ['local'], ['global']],
  global: [['global'], ['ring2'], ['ring1'], ['local']],
};

/** Who may execute, here or elsewhere: a table's entry is one. */
interface Contender {
  readonly nodeId: string;
  readonly ring: Ring;
  readonly price: number;
  readonly latencySeconds: number;
  readonly score: number;
  readonly idempotent: boolean;
  readonly step: number;
}

/** Left out for now only. */
interface Passed {
  contender: Contender;
  reason: 'already_tried' | TransientReason;
  waitMs: number;
}
type TransientReason = 'busy' | 'circuit_open';
const PASSED_AS: Readonly<Record<Passed['reason'], string>> = {
  already_tried: 'It was tried before',
  busy: 'It is busy',
  circuit_open: 'It kept failing',
};

export interface LocalOffer {
  capability: { idempotent: boolean };
  /** Credits. */
  price: number;
  /** Seconds. */
  estimatedLatency: number;
  detail?: Readonly<Record<string, unknown>>;
}

export interface SchedulerComponents {
  table: Pick<ProviderTable, 'rings' | 'entry' | 'weights'>;
  /** What this node offers for a capability at this moment; the engine's `offer` is one. */
  local(capabilityId: string): LocalOffer | undefined;
  health: {
    excluded(nodeId: string, capabilityId: string): TransientReason | undefined;
    waitMs(nodeId: string, capabilityId: string): number;
    isSilent(nodeId: string): boolean;
  };
  /** This node's own. */
  nodeId: string;
}

/** Chooses by score (node "Market and scheduler"); the weights are the table's, which is ordered by them. */
export function createScheduler(components: SchedulerComponents): Scheduler {
  return { choose: (capsule, options) => new Choice(components, capsule, options).decide() };
}

/**
 * One decision in the making. What it passes over are the few whom health or `tried` leave out, so it can afford to be
 * exact: the first ranked is the best of all eligible ones.
 */
class Choice {
  readonly #parts: SchedulerComponents;
  readonly #capsule: Capsule;
  readonly #options: ChooseOptions;
  readonly #rings: CapabilityRings | undefined;
  readonly #local: Contender | undefined;
  readonly #origin: string;
  readonly #amountMicro: number;
  readonly #draw: Draw;
  readonly #ranking: Candidate[] = [];
  readonly #excluded: Decision['excluded'] = [];
  readonly #passed: Passed[] = [];
  /** They may be asked, after everybody else. */
  readonly #silent: Contender[] = [];

  constructor(parts: SchedulerComponents, capsule: Capsule, options: ChooseOptions) {
    this.#parts = parts;
    this.#capsule = capsule;
    this.#options = options;
    this.#rings = parts.table.rings(capsule.requestedCapability);
    this.#origin = this.#nameOf(nodeIdOf(capsule.originIdentity));
    this.#amountMicro = capsule.paymentRule === null ? 0 : toMicro(capsule.paymentRule.amount);
    this.#draw = drawOf(capsule.id);
    const offer = parts.local(capsule.requestedCapability);
    if (offer === undefined) return;
    const { price, estimatedLatency: latencySeconds } = offer;
    const { idempotent } = offer.capability;
    const score = scoreOf(parts.table.weights, price, latencySeconds, LOCAL);
    const place = { nodeId: LOCAL, ring: LOCAL, step: stepOf(score) } as const;
    this.#local = { ...place, price, latencySeconds, score, idempotent };
  }

  decide(): Decision {
    const restricted = this.#capsule.privacyRule === 'restricted';
    if (this.#options.only !== undefined) this.#rankOne(this.#nameOf(this.#options.only), 'not_requested');
    else if (restricted) this.#rankOne(this.#origin, 'not_granted');
    else this.#rankAll();

    for (const contender of this.#silent) this.#rank(contender, '. It did not answer when it was last asked');
    const leastBad = this.#ranking.length === 0 && this.#passed.length > 0;
    if (leastBad) this.#rankLeastBad();
    return {
      at: this.#options.now,
      capsuleId: this.#capsule.id,
      capabilityId: this.#capsule.requestedCapability,
      ranking: this.#ranking,
      excluded: this.#excluded,
      providersKnown: this.#rings === undefined ? 0 : sizeOf(this.#rings),
      weights: { ...this.#parts.table.weights },
      leastBad,
    };
  }

  #rankAll(): void {
    const preferred = this.#capsule.executionPolicy?.preferredLocality;
    for (const tier of TIERS[preferred ?? 'none']) {
      if (this.#ranking.length < MAX_RANKED) this.#rankTier(tier, tier[0] === preferred);
    }
    if (this.#local !== undefined && !this.#affordable(this.#local))
      this.#exclude(LOCAL, 'price_above_amount');
    for (const ring of REMOTE_RINGS) {
      visitDearer(this.#rings?.[ring].classes, this.#amountMicro, (dearer) =>
        this.#excludeMembers(dearer, undefined, 'price_above_amount'),
      );
    }
  }

  #rankTier(tier: readonly Ring[], preferred: boolean): void {
    const note = preferred ? ', in the preferred ring' : '';
    const best = this.#best(tier, this.#amountMicro);
    const local = tier.includes(LOCAL) ? this.#local : undefined;
    let waiting = local !== undefined && this.#affordable(local) ? local : undefined;
    while (this.#ranking.length < MAX_RANKED) {
      const next = best.next();
      if (waiting !== undefined && (next === undefined || waiting.step <= next.step)) {
        if (this.#mayTry(waiting)) this.#rank(waiting, note);
        waiting = undefined;
      }
      if (next === undefined) return;
      const tied = [next];
      while (tied.length < MAX_TIED_PRICES && best.peek()?.step === next.step) tied.push(best.next() ?? next);
      const room = MAX_RANKED - this.#ranking.length;
      const { first, equals } = spread(tied, this.#draw, room, (entry) => this.#mayTry(entry));
      const suffix = equals > 1 ? `${note}; one of ${equals} equals, ordered by lot` : note;
      for (const entry of first) this.#rank(entry, suffix);
    }
  }

  /** Where one node at most may execute, it is looked up, and the others are only named. */
  #rankOne(sole: string, others: ExclusionReason): void {
    const found =
      sole === LOCAL ? this.#local : this.#parts.table.entry(sole, this.#capsule.requestedCapability);
    if (found !== undefined) {
      if (this.#capsule.privacyRule === 'restricted' && sole !== this.#origin)
        this.#exclude(sole, 'not_granted');
      else if (!this.#affordable(found)) this.#exclude(sole, 'price_above_amount');
      else if (this.#mayTry(found)) this.#rank(found, ', the only one admitted');
    }
    if (this.#local !== undefined && sole !== LOCAL) this.#exclude(LOCAL, others);
    const best = this.#best(REMOTE_RINGS, Number.POSITIVE_INFINITY);
    for (let next = best.next(); next !== undefined; next = best.next()) {
      if (!this.#excludeMembers(next, sole, others)) return;
    }
  }

  /** The untried before the tried, then the soonest to be asked again, then by score. */
  #rankLeastBad(): void {
    const tried = (passed: Passed): number => (passed.reason === 'already_tried' ? 1 : 0);
    this.#passed.sort((a, b) => tried(a) - tried(b) || a.waitMs - b.waitMs);
    for (const { contender, reason } of this.#passed) {
      this.#rank(contender, `. ${PASSED_AS[reason]}, but nobody better is left`);
    }
  }

  #best(rings: readonly Ring[], maxPriceMicro: number): BestFirst<EntryClass<Entry>> {
    const remote = REMOTE_RINGS.filter((ring) => rings.includes(ring));
    return new BestFirst(
      remote.map((ring) => this.#rings?.[ring].classes),
      maxPriceMicro,
    );
  }

  /** A node that works for its own origin pays itself, so its price keeps it from nothing. */
  #affordable({ nodeId, price }: Contender): boolean {
    if (nodeId === LOCAL && this.#origin === LOCAL) return true;
    return isWholeMicro(price) && toMicro(price) <= this.#amountMicro;
  }

  #mayTry(contender: Contender): boolean {
    const { health, nodeId: own } = this.#parts;
    const nodeId = contender.nodeId === LOCAL ? own : contender.nodeId;
    const tried = this.#options.tried;
    const wasTried = tried !== undefined && (tried.has(nodeId) || tried.has(contender.nodeId));
    const capabilityId = this.#capsule.requestedCapability;
    const reason = wasTried ? 'already_tried' : health.excluded(nodeId, capabilityId);
    if (reason === undefined) {
      if (!health.isSilent(nodeId)) return true;
      this.#silent.push(contender);
      return false;
    }
    this.#passed.push({ contender, reason, waitMs: health.waitMs(nodeId, capabilityId) });
    this.#exclude(contender.nodeId, reason);
    return false;
  }

  #rank(contender: Contender, note: string): void {
    if (this.#ranking.length === MAX_RANKED) return;
    const { nodeId, score, price, latencySeconds, ring, idempotent } = contender;
    const where = ring === LOCAL ? 'on this node' : `in ${ring}`;
    const reason = `Costs ${price} and takes ${rounded(latencySeconds)} s ${where}: score ${rounded(score)}${note}.`;
    this.#ranking.push({ nodeId, score, price, latencySeconds, ring, idempotent, reason });
  }

  #exclude(nodeId: string, reason: ExclusionReason): void {
    if (this.#excluded.length < MAX_EXCLUDED_NAMED) this.#excluded.push({ nodeId, reason });
  }

  /** Names a class's members but one; false when there is no room for another. */
  #excludeMembers(of: EntryClass<Entry>, but: string | undefined, reason: ExclusionReason): boolean {
    const room = MAX_EXCLUDED_NAMED - this.#excluded.length;
    if (room === 0) return false;
    const named = of.index.clockwise(of, this.#draw.point, room, (entry) => entry.nodeId !== but);
    for (const entry of named) this.#exclude(entry.nodeId, reason);
    return true;
  }

  #nameOf(nodeId: string): string {
    return nodeId === this.#parts.nodeId ? LOCAL : nodeId;
  }
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
