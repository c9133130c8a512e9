import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Offer } from '../../../protocols/messages/v1/schema.ts';
import { type RemoteRing, type Standing, UNKNOWN_STANDING } from '../../../src/market/entry.ts';
import { ENTRY_TTL_MS, ProviderTable } from '../../../src/market/provider-table.ts';
import { DEFAULT_WEIGHTS, scoreOf, stepOf } from '../../../src/market/score.ts';
import { nodeNamed, offer } from '../../support/market.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const NODES = Array.from({ length: 6 }, (_, index) => nodeNamed(`${index}`));
const CAPABILITIES = ['ai.chat', 'text.analyze', 'text.stats'];

const nodeId = fc.constantFrom(...NODES);
const offers = fc.uniqueArray(
  fc.tuple(
    fc.constantFrom(...CAPABILITIES),
    fc.constantFrom(0, 0.0004, 1, 3),
    fc.constantFrom(0, 0.5, 0.5001, 7),
  ),
  { selector: ([capabilityId]) => capabilityId },
);
const standing = fc.record({
  ring: fc.constantFrom<RemoteRing>('ring1', 'ring2', 'global'),
  roundTripMs: fc.constantFrom(0, 0.4, 90),
});
const operation = fc.oneof(
  fc.record({
    kind: fc.constant('hear' as const),
    nodeId,
    sequence: fc.nat(40),
    offers,
    standing: fc.option(standing, { nil: undefined }),
  }),
  fc.record({ kind: fc.constant('measure' as const), nodeId, standing }),
  fc.record({ kind: fc.constant('bid' as const), nodeId, capability: fc.constantFrom(...CAPABILITIES) }),
  fc.record({ kind: fc.constant('remove' as const), nodeId }),
  fc.record({
    kind: fc.constant('wait' as const),
    ms: fc.constantFrom(1, 60_000, ENTRY_TTL_MS - 1, ENTRY_TTL_MS),
  }),
);

interface Known {
  heardAt: number;
  offers: Map<string, Offer>;
}

describe('the provider table', () => {
  it('is what a plain list would be, after any operations', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 60 }), async (operations) => {
        const clock = new VirtualClock();
        const table = new ProviderTable({ clock });
        const model = new Map<string, Known>();
        const highest = new Map<string, number>();
        const met = new Map<string, Standing>();
        let now = 0;
        for (const step of operations) {
          if (step.kind === 'hear') {
            const capabilities = step.offers.map(([id, price, latency]) => offer(id, price, latency));
            const outcome = table.apply(
              { nodeId: step.nodeId, sequence: step.sequence, capabilities },
              step.standing,
            );
            const fresh = step.sequence > (highest.get(step.nodeId) ?? -1);
            expect(outcome).toBe(fresh ? 'applied' : 'replay');
            if (!fresh) continue;
            highest.set(step.nodeId, step.sequence);
            if (step.standing !== undefined) met.set(step.nodeId, step.standing);
            const listed = new Map(capabilities.map((each) => [each.capabilityId, each]));
            if (listed.size === 0) model.delete(step.nodeId);
            else model.set(step.nodeId, { heardAt: now, offers: listed });
          } else if (step.kind === 'measure') {
            table.updatePeer(step.nodeId, step.standing);
            met.set(step.nodeId, step.standing);
          } else if (step.kind === 'bid') {
            const bid = { capabilityId: step.capability, price: 2, estimatedLatency: 1, idempotent: true };
            table.noteOffer(step.nodeId, bid, { ring: 'ring2', roundTripMs: 20 });
            met.set(step.nodeId, { ring: 'ring2', roundTripMs: 20 });
            const offers = model.get(step.nodeId)?.offers ?? new Map<string, Offer>();
            offers.set(step.capability, offer(step.capability, 2, 1));
            model.set(step.nodeId, { heardAt: now, offers });
          } else if (step.kind === 'remove') {
            table.remove(step.nodeId);
            model.delete(step.nodeId);
          } else {
            await clock.advance(step.ms);
            now += step.ms;
            for (const [id, known] of model) if (known.heardAt + ENTRY_TTL_MS <= now) model.delete(id);
          }

          const expected = [...model].flatMap(([id, known]) =>
            [...known.offers.values()].map(({ capabilityId, price, estimatedLatency }) => {
              return {
                nodeId: id,
                capabilityId,
                price,
                estimatedLatency,
                idempotent: true,
                ...(met.get(id) ?? UNKNOWN_STANDING),
                proven: met.has(id),
                ageMs: now - known.heardAt,
              };
            }),
          );
          const listed = table.all(1_000);
          const key = (each: { nodeId: string; capabilityId: string }) =>
            `${each.capabilityId} ${each.nodeId}`;
          const sorted = <T extends { nodeId: string; capabilityId: string }>(list: T[]) =>
            list.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
          expect(sorted(listed)).toEqual(sorted(expected));
          expect(table.size).toBe(expected.length);
          for (const capabilityId of [...table.names()]) {
            const steps = table.providersOf(capabilityId, { limit: 100 }).map((each) => {
              const seconds = each.estimatedLatency + each.roundTripMs / 1000;
              const step = stepOf(scoreOf(DEFAULT_WEIGHTS, each.price, seconds, each.ring));
              return each.proven ? step : step + 1e9;
            });
            expect(steps).toEqual(steps.toSorted((a, b) => a - b));
            expect(steps.length).toBeGreaterThan(0);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
