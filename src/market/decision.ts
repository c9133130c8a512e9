import type { PaymentRule } from '../../protocols/capsule/v1/schema.ts';
import type { Ring } from '../../protocols/common/v1/schema.ts';
import type { Band } from './entry.ts';
import type { Candidate, Decision, ExclusionReason } from './types.ts';

/** Candidates a decision keeps: more than `maxRetries` admits. */
export const MAX_RANKED = 16;
/** Left out ones that a decision names. */
export const MAX_EXCLUDED_NAMED = 16;

/** A provider that may execute, here or elsewhere: a table's entry is one. */
export interface Contender {
  readonly nodeId: string;
  readonly ring: Ring;
  readonly band: 'local' | Band;
  /** What it asks, in credits. */
  readonly price: number;
  readonly latencySeconds: number;
  readonly score: number;
  readonly idempotent: boolean;
  readonly models: readonly string[] | undefined;
  readonly step: number;
}

/** Which providers are ranked, and which are left out and why. */
export class DecisionDraft {
  readonly ranking: Candidate[] = [];
  readonly excluded: Decision['excluded'] = [];
  readonly excludedBy: Decision['excludedBy'] = {};
  readonly #rule: PaymentRule | null;

  constructor(rule: PaymentRule | null) {
    this.#rule = rule;
  }

  get full(): boolean {
    return this.ranking.length === MAX_RANKED;
  }

  /** How many more left out ones can be named. */
  get namesLeft(): number {
    return MAX_EXCLUDED_NAMED - this.excluded.length;
  }

  rank(contender: Contender, note: string): void {
    if (this.full) return;
    const { nodeId, score, price: asked, latencySeconds, ring, band, idempotent } = contender;
    const proven = band !== 'unproven';
    const where = ring === 'local' ? 'on this node' : proven ? `in ${ring}` : 'at a node that was never met';
    const reason = `Asks ${asked} and takes ${rounded(latencySeconds)} s ${where}: score ${rounded(score)}${note}.`;
    const price = leasePrice(this.#rule, asked);
    this.ranking.push({ nodeId, score, price, latencySeconds, ring, proven, idempotent, reason });
  }

  exclude(nodeId: string, reason: ExclusionReason): void {
    this.count(reason, 1);
    if (this.namesLeft > 0) this.excluded.push({ nodeId, reason });
  }

  /** Left out, and not named. */
  count(reason: ExclusionReason, nodes: number): void {
    if (nodes > 0) this.excludedBy[reason] = (this.excludedBy[reason] ?? 0) + nodes;
  }

  /** Of so many nodes, those about whom nothing was said yet were left out for this reason. */
  countRest(reason: ExclusionReason, known: number): void {
    const said = Object.values(this.excludedBy).reduce((sum, nodes) => sum + nodes, this.ranking.length);
    this.count(reason, known - said);
  }
}

/**
 * What a lease would name. The executor earns the rule's amount, or what it asks where the rule charges by price; a
 * node that works for its own origin may ask more than that, and pays itself.
 */
function leasePrice(rule: PaymentRule | null, asked: number): number {
  if (rule === null) return 0;
  const byPrice = 'charge' in rule && rule.charge === 'price';
  return byPrice ? Math.min(asked, rule.amount) : rule.amount;
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
