import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { JsonObject, Ring } from '../../protocols/common/v1/schema.ts';
import { isWholeMicro, toMicro } from '../capsule/credits.ts';
import { nodeIdOf } from '../capsule/identity.ts';
import { BestFirst } from './best-first.ts';
import { BANDS, type CapabilityIndex } from './capability-index.ts';
import { visitDearer } from './class-tree.ts';
import { type Contender, DecisionDraft, MAX_RANKED } from './decision.ts';
import type { Band, Entry } from './entry.ts';
import { nearestName } from './nearest-name.ts';
import type { ProviderTable } from './provider-table.ts';
import type { EntryClass } from './ring-index.ts';
import { scoreOf, stepOf } from './score.ts';
import { type Draw, drawOf, spread } from './spread.ts';
import type { ChooseOptions, Decision, ExclusionReason, Scheduler } from './types.ts';
import { offeredModels, wantedModel } from './wanted-model.ts';

/** This node's name in a ranking. */
export const LOCAL = 'local';
/** Prices at which equals are merged; of equals at more prices, the cheapest come first. */
const MAX_TIED_PRICES = 64;

type Tier = readonly ('local' | Band)[];
/**
 * Without a preference all rings compete by score; else the preferred goes first, then nearer ones, then farther. Nodes
 * that were never met come after all: names and prices cost nothing to invent, and each dead address costs a wait.
 */
const TIERS: Readonly<Record<Ring | 'none', readonly Tier[]>> = {
  none: [['local', 'ring1', 'ring2', 'global'], ['unproven']],
  local: [['local'], ['ring1'], ['ring2'], ['global'], ['unproven']],
  ring1: [['ring1'], ['local'], ['ring2'], ['global'], ['unproven']],
  ring2: [['ring2'], ['ring1'], ['local'], ['global'], ['unproven']],
  global: [['global'], ['ring2'], ['ring1'], ['local'], ['unproven']],
};
/** Looked at to name some that lack a model: mostly few have it. */
const LOOKED_AT_FOR_MODEL = 32;

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
  detail?: Readonly<JsonObject>;
}

export interface SchedulerComponents {
  table: Pick<ProviderTable, 'index' | 'entry' | 'names' | 'weights' | 'knownNodes'>;
  /** What this node offers for a capability at this moment; the engine's `offer` is one. */
  local(capabilityId: string): LocalOffer | undefined;
  /** Names of all that this node offers. */
  localNames?(): Iterable<string>;
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
  return {
    choose: (capsule, options) => new Choice(components, capsule, options).decide(),
    knows(capabilityId) {
      const { table, local, localNames } = components;
      const here = local(capabilityId) === undefined ? 0 : 1;
      const providers = here + (table.index(capabilityId)?.size ?? 0);
      const heard = table.knownNodes > 0;
      if (providers > 0) return { providers, nearest: null, heard };
      const nearest = nearestName(capabilityId, joined(localNames?.() ?? [], table.names()));
      return { providers, nearest, heard };
    },
  };
}

function* joined(...lists: Iterable<string>[]): Iterable<string> {
  for (const list of lists) yield* list;
}

/**
 * One decision in the making. What it passes over are the few whom health or `tried` leave out, so it can afford to be
 * exact: the first ranked is the best of all eligible ones.
 */
class Choice {
  readonly #parts: SchedulerComponents;
  readonly #capsule: Capsule;
  readonly #options: ChooseOptions;
  readonly #index: CapabilityIndex | undefined;
  /** The model that the capsule names. */
  readonly #model: string | undefined;
  readonly #local: Contender | undefined;
  readonly #origin: string;
  readonly #amountMicro: number;
  readonly #draw: Draw;
  readonly #draft: DecisionDraft;
  readonly #passed: Passed[] = [];
  /** They may be asked, after everybody else. */
  readonly #silent: Contender[] = [];

  constructor(parts: SchedulerComponents, capsule: Capsule, options: ChooseOptions) {
    this.#parts = parts;
    this.#capsule = capsule;
    this.#options = options;
    this.#index = parts.table.index(capsule.requestedCapability);
    this.#model = wantedModel(capsule.requestedCapability, capsule.payload);
    this.#origin = this.#nameOf(nodeIdOf(capsule.originIdentity));
    this.#amountMicro = capsule.paymentRule === null ? 0 : toMicro(capsule.paymentRule.amount);
    this.#draw = drawOf(capsule.id);
    this.#draft = new DecisionDraft(capsule.paymentRule);
    const offer = parts.local(capsule.requestedCapability);
    if (offer === undefined) return;
    const { price, estimatedLatency: latencySeconds } = offer;
    const { idempotent } = offer.capability;
    const score = scoreOf(parts.table.weights, price, latencySeconds, LOCAL);
    const place = { nodeId: LOCAL, ring: LOCAL, band: LOCAL, step: stepOf(score) } as const;
    const models = offeredModels(capsule.requestedCapability, offer.detail);
    this.#local = { ...place, price, latencySeconds, score, idempotent, models };
  }

  decide(): Decision {
    const restricted = this.#capsule.privacyRule === 'restricted';
    const { only } = this.#options;
    const others = only !== undefined ? 'not_requested' : restricted ? 'not_granted' : 'price_above_amount';
    if (only !== undefined) this.#rankOne(this.#nameOf(only), others);
    else if (restricted) this.#rankOne(this.#origin, others);
    else this.#rankAll();

    const draft = this.#draft;
    for (const contender of this.#silent) draft.rank(contender, '. It did not answer when it was last asked');
    const known = this.#index?.size ?? 0;
    if (!draft.full) draft.countRest(others, known + (this.#local === undefined ? 0 : 1));
    const leastBad = draft.ranking.length === 0 && this.#passed.length > 0;
    if (leastBad) this.#rankLeastBad();
    return {
      at: this.#options.now,
      capsuleId: this.#capsule.id,
      capabilityId: this.#capsule.requestedCapability,
      ranking: draft.ranking,
      excluded: draft.excluded,
      excludedBy: draft.excludedBy,
      providersKnown: known,
      weights: { ...this.#parts.table.weights },
      leastBad,
    };
  }

  #rankAll(): void {
    const preferred = this.#capsule.executionPolicy?.preferredLocality;
    for (const tier of TIERS[preferred ?? 'none']) {
      if (!this.#draft.full) this.#rankTier(tier, tier[0] === preferred);
    }
    if (this.#local !== undefined) {
      if (!this.#hasModel(this.#local)) this.#draft.exclude(LOCAL, 'no_model');
      else if (!this.#affordable(this.#local)) this.#draft.exclude(LOCAL, 'price_above_amount');
    }
    for (const { classes } of this.#index?.within(BANDS, this.#model) ?? []) {
      visitDearer(classes, this.#amountMicro, (dearer) =>
        this.#excludeMembers(dearer, undefined, 'price_above_amount'),
      );
    }
    this.#excludeWithoutModel();
  }

  #rankTier(tier: Tier, preferred: boolean): void {
    const note = preferred ? ', in the preferred ring' : '';
    const best = this.#best(tier, this.#amountMicro);
    const local = tier.includes(LOCAL) ? this.#local : undefined;
    let waiting = local !== undefined && this.#affordable(local) && this.#hasModel(local) ? local : undefined;
    while (!this.#draft.full) {
      const next = best.next();
      if (waiting !== undefined && (next === undefined || waiting.step <= next.step)) {
        if (this.#mayTry(waiting)) this.#draft.rank(waiting, note);
        waiting = undefined;
      }
      if (next === undefined) return;
      const tied = [next];
      while (tied.length < MAX_TIED_PRICES && best.peek()?.step === next.step) tied.push(best.next() ?? next);
      const room = MAX_RANKED - this.#draft.ranking.length;
      const { first, equals } = spread(tied, this.#draw, room, (entry) => this.#mayTry(entry));
      const suffix = equals > 1 ? `${note}; one of ${equals} equals, ordered by lot` : note;
      for (const entry of first) this.#draft.rank(entry, suffix);
    }
  }

  /** Where one node at most may execute, it is looked up, and the others are only named. */
  #rankOne(sole: string, others: ExclusionReason): void {
    const found =
      sole === LOCAL ? this.#local : this.#parts.table.entry(sole, this.#capsule.requestedCapability);
    if (found !== undefined) {
      if (this.#capsule.privacyRule === 'restricted' && sole !== this.#origin)
        this.#draft.exclude(sole, 'not_granted');
      else if (!this.#hasModel(found)) this.#draft.exclude(sole, 'no_model');
      else if (!this.#affordable(found)) this.#draft.exclude(sole, 'price_above_amount');
      else if (this.#mayTry(found)) this.#draft.rank(found, ', the only one admitted');
    }
    if (this.#local !== undefined && sole !== LOCAL) this.#draft.exclude(LOCAL, others);
    const best = new BestFirst(this.#index?.within(BANDS) ?? [], Number.POSITIVE_INFINITY);
    for (let next = best.next(); next !== undefined; next = best.next()) {
      if (!this.#excludeMembers(next, sole, others)) return;
    }
  }

  /** The untried before the tried, then the soonest to be asked again, then by score. */
  #rankLeastBad(): void {
    const tried = (passed: Passed): number => (passed.reason === 'already_tried' ? 1 : 0);
    this.#passed.sort((a, b) => tried(a) - tried(b) || a.waitMs - b.waitMs);
    for (const { contender, reason } of this.#passed) {
      this.#draft.rank(contender, `. ${PASSED_AS[reason]}, but nobody better is left`);
    }
  }

  #best(tier: Tier, maxPriceMicro: number): BestFirst<EntryClass<Entry>> {
    const bands = tier.filter((band) => band !== LOCAL);
    return new BestFirst(this.#index?.within(bands, this.#model) ?? [], maxPriceMicro);
  }

  /** A provider that does not list its models may have any. */
  #hasModel({ models }: Contender): boolean {
    return this.#model === undefined || models === undefined || models.includes(this.#model);
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
    this.#draft.exclude(contender.nodeId, reason);
    return false;
  }

  /** Names a class's members but one; false when there is no room for another. */
  #excludeMembers(of: EntryClass<Entry>, but: string | undefined, reason: ExclusionReason): boolean {
    const room = this.#draft.namesLeft;
    if (room === 0) return false;
    const named = of.index.clockwise(of, this.#draw.point, room, (entry) => entry.nodeId !== but);
    for (const entry of named) this.#draft.exclude(entry.nodeId, reason);
    return true;
  }

  /** Counts those that list other models; names a few where not enough others were found. */
  #excludeWithoutModel(): void {
    if (this.#model === undefined || this.#index === undefined) return;
    const lacking = this.#index.sizeWithout(this.#model);
    let named = 0;
    let looked = 0;
    const best = new BestFirst(this.#draft.full ? [] : this.#index.listing, Number.POSITIVE_INFINITY);
    for (let next = best.next(); next !== undefined && looked < LOOKED_AT_FOR_MODEL; next = best.next()) {
      const members = next.index.clockwise(next, this.#draw.point, LOOKED_AT_FOR_MODEL - looked, () => true);
      looked += members.length;
      for (const entry of members) {
        if (this.#draft.namesLeft === 0 || this.#hasModel(entry)) continue;
        this.#draft.exclude(entry.nodeId, 'no_model');
        named++;
      }
    }
    this.#draft.count('no_model', lacking - named);
  }

  #nameOf(nodeId: string): string {
    return nodeId === this.#parts.nodeId ? LOCAL : nodeId;
  }
}
