import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Ring } from '../../../protocols/common/v1/schema.ts';
import { type RemoteRing, UNKNOWN_STANDING } from '../../../src/market/entry.ts';
import { ProviderTable } from '../../../src/market/provider-table.ts';
import { createScheduler, LOCAL } from '../../../src/market/scheduler.ts';
import { DEFAULT_WEIGHTS, scoreOf, stepOf } from '../../../src/market/score.ts';
import { capsuleNamed, nodeNamed, offer } from '../../support/market.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const CAPABILITY = 'text.analyze';
const SELF = nodeNamed('self');
const NAMES = Array.from({ length: 200 }, (_, index) => nodeNamed(`${index}`));

interface Option {
  nodeId: string;
  proven: boolean;
  ring: Ring;
  price: number;
  latencySeconds: number;
}

/** Few values, so that ties are common, beside many, so that they are not. */
const price = fc.oneof(
  fc.constantFrom(0, 1, 2),
  fc.integer({ min: 0, max: 5_000 }).map((n) => n / 1000),
);
const latency = fc.oneof(fc.constantFrom(0, 1, 2), fc.double({ min: 0, max: 20, noNaN: true }));
const provider = fc.record({
  price,
  latency,
  ring: fc.constantFrom<RemoteRing>('ring1', 'ring2', 'global'),
  roundTripMs: fc.constantFrom(0, 5, 80, 300),
  excluded: fc.constantFrom(undefined, undefined, undefined, 'busy' as const, 'circuit_open' as const),
  proven: fc.constantFrom(true, true, false),
  silentOneIn: fc.constantFrom(1, 4, 4),
});
const situation = fc.record({
  providers: fc.array(provider, { maxLength: 200 }),
  triedOneIn: fc.integer({ min: 2, max: 10 }),
  local: fc.option(fc.record({ price, estimatedLatency: latency }), { nil: undefined }),
  amount: fc.constantFrom(0, 0.5, 1, 3, 10),
  preferredLocality: fc.constantFrom<Ring | undefined>(undefined, 'local', 'ring1', 'ring2', 'global'),
  name: fc.string(),
});

const ORDERS: Record<Ring, readonly Ring[]> = {
  local: ['local', 'ring1', 'ring2', 'global'],
  ring1: ['ring1', 'local', 'ring2', 'global'],
  ring2: ['ring2', 'ring1', 'local', 'global'],
  global: ['global', 'ring2', 'ring1', 'local'],
};

describe('the choice', () => {
  it('ranks exactly the best of the eligible, whatever is left out', () => {
    fc.assert(
      fc.property(situation, ({ providers, triedOneIn, local, amount, preferredLocality, name }) => {
        const table = new ProviderTable({ clock: new VirtualClock() });
        const nodes = providers.map((each, index) => {
          const standing = each.proven ? {} : UNKNOWN_STANDING;
          return { ...each, ...standing, nodeId: NAMES[index] ?? '' };
        });
        for (const { nodeId, price, latency, ring, roundTripMs, proven } of nodes) {
          const capabilities = [offer(CAPABILITY, price, latency)];
          table.apply({ nodeId, sequence: 1, capabilities }, proven ? { ring, roundTripMs } : undefined);
        }
        const tried = new Set(
          nodes.filter((_, index) => index % triedOneIn === 0).map((node) => node.nodeId),
        );
        const silent = new Set(
          nodes.filter((node, index) => index % node.silentOneIn === 0).map((node) => node.nodeId),
        );
        const reasons = new Map(nodes.map((node) => [node.nodeId, node.excluded]));
        const scheduler = createScheduler({
          table,
          local: () => local && { capability: { idempotent: true }, ...local },
          health: {
            excluded: (nodeId) => reasons.get(nodeId),
            waitMs: () => 1,
            isSilent: (nodeId) => silent.has(nodeId),
          },
          nodeId: SELF,
        });
        const executionPolicy = preferredLocality === undefined ? null : { preferredLocality };
        const capsule = capsuleNamed(name, { amount, executionPolicy });

        const decision = scheduler.choose(capsule, { tried, now: 7 });

        const affordable: Option[] = nodes
          .filter((node) => node.price <= amount)
          .map(({ nodeId, ring, price, latency, roundTripMs, proven }) => {
            return { nodeId, ring, proven, price, latencySeconds: latency + roundTripMs / 1000 };
          });
        const eligible = affordable.filter(
          ({ nodeId }) => !tried.has(nodeId) && reasons.get(nodeId) === undefined,
        );
        if (local !== undefined && local.price <= amount) {
          const here = {
            nodeId: LOCAL,
            ring: LOCAL,
            price: local.price,
            latencySeconds: local.estimatedLatency,
          };
          eligible.push({ ...here, proven: true, ring: 'local' });
        }
        const rank = ({ nodeId, ring, proven, price, latencySeconds }: Option): number[] => [
          silent.has(nodeId) ? 1 : 0,
          proven ? 0 : 1,
          preferredLocality === undefined ? 0 : ORDERS[preferredLocality].indexOf(ring),
          stepOf(scoreOf(DEFAULT_WEIGHTS, price, latencySeconds, ring)),
          ring === 'local' ? 0 : 1,
        ];
        const expected = eligible
          .map(rank)
          .sort((a, b) => a.map((each, index) => each - (b[index] ?? 0)).find((each) => each !== 0) ?? 0)
          .slice(0, 16);

        expect(decision.leastBad).toBe(eligible.length === 0 && affordable.length > 0);
        if (decision.leastBad) {
          const may = new Set(affordable.map((option) => option.nodeId));
          expect(decision.ranking).toHaveLength(Math.min(16, affordable.length));
          for (const { nodeId } of decision.ranking) expect(may).toContain(nodeId);
        } else {
          const asked = new Map(eligible.map((option) => [option.nodeId, option]));
          const given = decision.ranking.flatMap(({ nodeId }) => asked.get(nodeId) ?? []);
          expect(given.map(rank)).toEqual(expected);
          for (const { nodeId, proven } of decision.ranking) expect(proven).toBe(asked.get(nodeId)?.proven);
          if (decision.ranking.length < 16) {
            const left = Object.values(decision.excludedBy).reduce((sum, count) => sum + count, 0);
            expect(left + decision.ranking.length).toBe(nodes.length + (local === undefined ? 0 : 1));
          }
          const may = new Set(eligible.map((option) => option.nodeId));
          for (const { nodeId } of decision.ranking) expect(may).toContain(nodeId);
        }
        expect(new Set(decision.ranking.map(({ nodeId }) => nodeId)).size).toBe(decision.ranking.length);
        expect(decision.providersKnown).toBe(nodes.length);
        expect(decision.excluded.length).toBeLessThanOrEqual(16);
      }),
      { numRuns: 150 },
    );
  });
});
