import type { Decision, ExclusionReason } from './types.ts';

const NONE: Readonly<Record<ExclusionReason, string>> = {
  price_above_amount: 'none at this price',
  no_model: 'none with the model that it names',
  not_granted: 'none may execute a restricted capsule of this origin',
  not_requested: 'none of them is the one that was asked for',
  busy: 'none has room now',
  circuit_open: 'none has worked lately',
  already_tried: 'all were tried',
};
const SOME: Readonly<Record<ExclusionReason, string>> = {
  price_above_amount: 'above this price',
  no_model: 'without the model that it names',
  not_granted: 'not granted this restricted capsule',
  not_requested: 'not asked for',
  busy: 'busy',
  circuit_open: 'failing lately',
  already_tried: 'tried already',
};
/** In which reasons are told: those that a caller can do something about first. */
const ORDER: readonly ExclusionReason[] = [
  'price_above_amount',
  'no_model',
  'not_granted',
  'not_requested',
  'already_tried',
  'circuit_open',
  'busy',
];

/** One sentence on why a decision ranked no provider, or only the least bad. */
export function explainNobody({
  capabilityId,
  excludedBy,
}: Pick<Decision, 'capabilityId' | 'excludedBy'>): string {
  const reasons = ORDER.flatMap((reason) => {
    const nodes = excludedBy[reason] ?? 0;
    return nodes > 0 ? [{ reason, nodes }] : [];
  });
  const known = reasons.reduce((sum, { nodes }) => sum + nodes, 0);
  const [only] = reasons;
  if (only === undefined) return `No known node offers ${capabilityId}.`;
  const offer = known === 1 ? `1 node offers ${capabilityId}` : `${known} nodes offer ${capabilityId}`;
  if (reasons.length === 1) return `${offer}, ${NONE[only.reason]}.`;
  return `${offer}: ${reasons.map(({ reason, nodes }) => `${nodes} ${SOME[reason]}`).join(', ')}.`;
}
