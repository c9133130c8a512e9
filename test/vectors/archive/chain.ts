import type { ArchiveEvent } from '../../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { fails, type Vector, type VectorCollection } from './collection.ts';
import { capsuleId, GENESIS, hashEvent, linkEvents, PATHS } from './format.ts';
import { alice } from './keys.ts';
import { EVENTS, edit, event, plain, type Recipe, zip } from './recipe.ts';

const make = async (recipe: Recipe) => zip(await plain(recipe));
const OTHER_HASH = 'ab'.repeat(32);
const FOUR = [...EVENTS, event('ai:reviewer', 'session', 'closed', {})];
/** What fails is the chain alone: file, index, envelope and signature are made over it as it stands. */
const chainAt = (...events: number[]) => fails(['chain'], { failing_events: events });

/** Sealed by someone who changes the chain and keeps the anchors it had. */
function underOldAnchors(change: (events: ArchiveEvent[]) => ArchiveEvent[]): Promise<Uint8Array> {
  const before = linkEvents(FOUR);
  const first = before[0]?.hash ?? GENESIS;
  return make({
    events: FOUR,
    chain: change,
    manifest: (manifest) => {
      manifest.first_event_hash = first;
      manifest.id = capsuleId(alice.publicKey, first);
    },
    envelope: (envelope) => {
      envelope.first_event_hash = first;
      envelope.entry_hash = before.at(-1)?.hash ?? GENESIS;
    },
  });
}

/** One event otherwise, its hash right again and every later event linked to it. */
function relinked(place: number, change: (event: ArchiveEvent & JsonObject) => void): Promise<Uint8Array> {
  return make({
    events: FOUR,
    chain: (events) => {
      for (const [index, stored] of events.entries()) {
        if (index > place - 1) stored.prev_hash = events[index - 1]?.hash ?? GENESIS;
        if (index === place - 1) change(stored);
        if (index >= place - 1) stored.hash = hashEvent(stored.prev_hash, stored);
      }
      return events;
    },
  });
}

export function chain(): VectorCollection {
  return {
    name: 'chain',
    description:
      'Chains that are signed as they are and break a rule of their own; each failing event is named.',
    vectors: [...links(), ...order(), ...events(), ...anchors()],
  };
}

function links(): Vector[] {
  return [
    {
      name: 'event-changed',
      description: 'An event was changed after sealing.',
      archive: make({
        after: (files) => edit(files, PATHS.chain, (text) => text.replace('cheaper', 'dearer')),
      }),
      expected: fails(['content_index', 'chain'], { failing_events: [2] }),
    },
    {
      name: 'event-changed-and-resealed',
      description: 'An event was changed, and index and envelope made anew over it.',
      archive: make({ lines: (text) => text.replace('cheaper', 'dearer') }),
      expected: chainAt(2),
    },
    {
      name: 'two-events-changed',
      description: 'Two events were changed: both are named.',
      archive: make({ events: FOUR, lines: (text) => text.replace('cheaper', 'dearer').replace('42', '43') }),
      expected: chainAt(2, 3),
    },
    {
      name: 'event-hash-wrong',
      description: 'The hash of an event is another; the next event is linked to it.',
      archive: make({
        chain: (events) => {
          const [first, changed, last] = events;
          if (!first || !changed || !last) return events;
          changed.hash = OTHER_HASH;
          last.prev_hash = OTHER_HASH;
          last.hash = hashEvent(OTHER_HASH, last);
          return [first, changed, last];
        },
      }),
      expected: chainAt(2),
    },
    {
      name: 'broken-link',
      description: 'An event is linked to nothing before it; its hash is right for that.',
      archive: relinked(3, (stored) => {
        stored.prev_hash = OTHER_HASH;
      }),
      expected: chainAt(3),
    },
    {
      name: 'first-link-not-zero',
      description: 'The first event is linked to something that is not there.',
      archive: relinked(1, (stored) => {
        stored.prev_hash = OTHER_HASH;
      }),
      expected: chainAt(1),
    },
  ];
}

function order(): Vector[] {
  return [
    {
      name: 'events-reordered',
      description: 'The second and third of four events have changed places.',
      archive: underOldAnchors(([first, second, third, ...rest]) =>
        [first, third, second, ...rest].filter((stored) => stored !== undefined),
      ),
      expected: chainAt(2, 3, 4),
    },
    {
      name: 'first-event-dropped',
      description: 'The first of four events is gone: every number is wrong, and the first link.',
      archive: underOldAnchors((events) => events.slice(1)),
      expected: chainAt(1, 2, 3),
    },
    {
      name: 'middle-event-dropped',
      description: 'The second of four events is gone.',
      archive: underOldAnchors((events) => events.toSpliced(1, 1)),
      expected: chainAt(2, 3),
    },
    {
      name: 'last-event-dropped',
      description:
        'The last of four events is gone: each that is left is right, and entry_hash is not the last.',
      archive: underOldAnchors((events) => events.slice(0, -1)),
      expected: chainAt(),
    },
    {
      name: 'event-inserted',
      description: 'An event between the first and the second, rightly linked to the first.',
      archive: underOldAnchors((events) => {
        const [first] = events;
        if (first === undefined) return events;
        const [forged] = linkEvents([event('ai:reviewer', 'decision', 'agreed', {})], first);
        return forged === undefined ? events : events.toSpliced(1, 0, forged);
      }),
      expected: chainAt(3, 4, 5),
    },
    {
      name: 'event-repeated',
      description: 'The last event twice.',
      archive: underOldAnchors((events) => [...events, ...events.slice(-1)]),
      expected: chainAt(5),
    },
    {
      name: 'number-skipped',
      description: 'Links and hashes hold; the third event says that it is the fourth.',
      archive: relinked(3, (stored) => {
        stored.seq = 4;
      }),
      expected: chainAt(3),
    },
    {
      name: 'number-zero',
      description: 'Numbers begin at 1: the first event says 0.',
      archive: relinked(1, (stored) => {
        stored.seq = 0;
      }),
      expected: chainAt(1),
    },
  ];
}

function events(): Vector[] {
  return [
    {
      name: 'unknown-kind',
      description: 'A kind that is none of the five.',
      archive: make({ events: [...EVENTS, event('human:alice', 'gossip', 'told', {})] }),
      expected: chainAt(4),
    },
    {
      name: 'actor-is-no-participant',
      description: 'An event of someone whom the manifest does not name.',
      archive: make({ events: [...EVENTS, event('human:mallory', 'decision', 'approved', {})] }),
      expected: chainAt(4),
    },
    {
      name: 'actor-of-the-system',
      description: 'system:host may act unnamed, and nobody else of the system.',
      archive: make({ events: [...EVENTS, event('system:root', 'observation', 'seen', {})] }),
      expected: chainAt(4),
    },
    {
      name: 'two-rules-broken',
      description: 'An unknown kind in the second event and a stranger in the fourth: both are named.',
      archive: make({
        events: FOUR.map((draft, index) => ({
          ...draft,
          ...(index === 1 && { kind: 'gossip' }),
          ...(index === 3 && { actor: 'human:mallory' }),
        })),
      }),
      expected: chainAt(2, 4),
    },
  ];
}

function anchors(): Vector[] {
  return [
    {
      name: 'no-events',
      description: 'An empty chain: a writer with nothing to tell adds an event itself.',
      archive: make({ events: [] }),
      expected: fails(['chain']),
    },
    {
      name: 'entry-hash-of-another-chain',
      description: 'Every event is right, and the signed entry_hash is not that of the last.',
      archive: make({
        envelope: (envelope) => {
          envelope.entry_hash = OTHER_HASH;
        },
      }),
      expected: chainAt(),
    },
    {
      name: 'entry-hash-of-an-earlier-event',
      description: 'An archive whose chain went on after it was signed.',
      archive: make({
        envelope: (envelope) => {
          envelope.entry_hash = linkEvents(EVENTS)[1]?.hash ?? GENESIS;
        },
      }),
      expected: chainAt(),
    },
  ];
}
