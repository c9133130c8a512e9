import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import type { Offer } from '../../protocols/messages/v1/schema.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { RemoteRing } from '../../src/market/entry.ts';
import { PeerHealthTracker } from '../../src/market/peer-health.ts';
import { ProviderTable } from '../../src/market/provider-table.ts';
import { createScheduler } from '../../src/market/scheduler.ts';
import { capsuleNamed, nodeNamed, offer } from '../support/market.ts';
import { median } from './measure.ts';

/** How the providers of one capability differ. */
const SHAPES = ['different', 'equal', 'unaffordable', 'model', 'unproven'] as const;
type Shape = (typeof SHAPES)[number];

/** Microseconds, medians over the rounds. */
interface Decisions {
  shape: Shape;
  us10000: number;
  /** Over the same among 100. */
  growth: number;
}

const CAPABILITY = 'ai.chat';
/** Each provider lists three of these. */
const MODELS = 100;
/** The capsules of shape `model` name these, as most callers name the same few. */
const MODELS_ASKED_FOR = 10;
const RINGS: readonly RemoteRing[] = ['ring1', 'ring2', 'global'];
const AMOUNT = 10;
const ROUNDS = 60;
/** Few, so that a round mostly fits between two interruptions by others on the machine. */
const DECISIONS_PER_ROUND = 100;
const LARGE = 10_000;
const SMALL = 100;

/** Scheduling decisions among 100 and among 10,000 providers, interleaved, so that the machine's drift hits both. */
export function benchScheduler(): Decisions[] {
  const plain = Array.from({ length: DECISIONS_PER_ROUND }, (_, i) => capsuleFor(i, {}));
  const naming = Array.from({ length: DECISIONS_PER_ROUND }, (_, i) =>
    capsuleFor(i, { model: modelOf(i % MODELS_ASKED_FOR) }),
  );
  const names = Array.from({ length: LARGE }, (_, i) => nodeNamed(`${i}`));
  return SHAPES.map((shape) => {
    const capsules = shape === 'model' ? naming : plain;
    const small = decider(shape, names.slice(0, SMALL), capsules);
    const large = decider(shape, names, capsules);
    const times = { small: [] as number[], large: [] as number[] };
    for (let round = 0; round < ROUNDS; round++) {
      times.small.push(small());
      times.large.push(large());
    }
    const us10000 = median(times.large);
    return { shape, us10000, growth: us10000 / median(times.small) };
  });
}

/** Fills a table and gives a function that takes one round's microseconds for each decision. */
function decider(shape: Shape, names: readonly string[], capsules: readonly Capsule[]): () => number {
  const table = new ProviderTable({ clock: systemClock });
  names.forEach((nodeId, index) => {
    const ring = shape === 'equal' ? 'ring1' : (RINGS[index % RINGS.length] ?? 'global');
    const standing = shape === 'unproven' && index % 100 > 0 ? undefined : { ring, roundTripMs: 5 };
    table.apply({ nodeId, sequence: 1, capabilities: [offerOf(shape, index)] }, standing);
  });
  const health = new PeerHealthTracker({ clock: systemClock });
  const nodeId = nodeNamed('self');
  const scheduler = createScheduler({ table, health, nodeId, local: () => undefined });
  return () => {
    const start = performance.now();
    let ranked = 0;
    for (const capsule of capsules) ranked += scheduler.choose(capsule, { now: 0 }).ranking.length;
    const elapsed = performance.now() - start;
    if (ranked === 0) throw new Error(`Nobody was chosen in shape ${shape}`);
    return (elapsed * 1000) / capsules.length;
  };
}

function capsuleFor(index: number, payload: JsonObject): Capsule {
  return capsuleNamed(`${index}`, { requestedCapability: CAPABILITY, payload, amount: AMOUNT });
}

function modelOf(index: number): string {
  return `model-${index % MODELS}:4b`;
}

/** The unaffordable ones are fast and what can be paid is slow: the best scores are the ones to leave out. */
function offerOf(shape: Shape, index: number): Offer {
  const spot = (index * 7_919) % LARGE;
  if (shape === 'equal') return offer(CAPABILITY, 1, 0.5);
  if (shape === 'different' || shape === 'unproven') {
    return offer(CAPABILITY, (spot % 997) / 100, spot / 500);
  }
  if (shape === 'model') {
    const models = [index, index + 1, index + 2].map(modelOf);
    return { ...offer(CAPABILITY, (spot % 997) / 100, spot / 500), detail: { models } };
  }
  return index % 10 === 0
    ? offer(CAPABILITY, (spot % 1000) / 100, 100 + spot / 500)
    : offer(CAPABILITY, 11 + spot / 1e4, 0);
}
