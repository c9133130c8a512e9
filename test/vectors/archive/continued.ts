import type { Envelope } from '../../../protocols/archive/v1/schema.ts';
import { OK, onlyStrictFails, type Vector, type VectorCollection } from './collection.ts';
import type { UnlinkedEvent } from './format.ts';
import { alice, mallory, signer } from './keys.ts';
import { EVENTS, envelopeOf, event, plain, type Recipe, TIME, zip } from './recipe.ts';

const LATER = '2026-06-01T08:00:00Z';
const before = async (recipe?: Recipe): Promise<Envelope> => envelopeOf(await plain(recipe));

/** Keeps an earlier sealing's envelope inside the chain; the anchors beside it are for people. */
function checkpoint(envelope: Envelope, anchors: Partial<Envelope> = {}): UnlinkedEvent {
  const { capsule_id, entry_hash, manifest_hash, content_index_hash, signed_at } = {
    ...envelope,
    ...anchors,
  };
  return {
    actor: 'system:host',
    kind: 'checkpoint',
    action: 'archive_continued',
    target: 'provenance/envelope.json',
    timestamp: LATER,
    payload: { capsule_id, entry_hash, manifest_hash, content_index_hash, signed_at, envelope },
    untrusted_payload_fields: ['payload.envelope', 'payload.signed_at'],
  };
}

/** Sealed again, later, with these events behind those of the first sealing. */
const continued = async (...more: UnlinkedEvent[]) =>
  zip(
    await plain({
      events: [...EVENTS, ...more],
      envelope: (envelope) => {
        envelope.signed_at = LATER;
      },
    }),
  );

const next = event('ai:reviewer', 'observation', 'paid', {});

/** The checkpoint is the fourth event. The format has no rule about what one keeps, so that only `strict` fails. */
const lying = (name: string, description: string, archive: Promise<Uint8Array>): Vector => ({
  name,
  description,
  archive,
  expected: {
    ...onlyStrictFails('chain'),
    strict: { ok: false, failing: ['chain'], failing_events: [4] },
  },
});

export function continuedOnes(): VectorCollection {
  const vectors: Vector[] = [
    {
      name: 'continued',
      description: 'The envelope of the first sealing as a checkpoint, and an event behind it.',
      archive: before().then((envelope) => continued(checkpoint(envelope), next)),
      expected: OK,
    },
    {
      name: 'continued-by-other-means',
      description: 'A checkpoint that says nothing which could be held against the chain.',
      archive: continued(event('human:alice', 'checkpoint', 'reviewed', { note: 'So far so good.' }), next),
      expected: OK,
    },
    lying(
      'checkpoint-anchor-differs',
      'An anchor beside the kept envelope is not that of the envelope.',
      before().then((envelope) => continued(checkpoint(envelope, { entry_hash: 'ab'.repeat(32) }), next)),
    ),
    lying(
      'checkpoint-of-a-shorter-chain',
      'The kept envelope ends with an event before the last: something was put in between, unsigned.',
      before({ events: EVENTS.slice(0, 2) }).then((envelope) => continued(checkpoint(envelope), next)),
    ),
    lying(
      'checkpoint-of-another-archive',
      'The kept envelope is that of another chain altogether.',
      before({ events: [next] }).then((envelope) => continued(checkpoint(envelope), next)),
    ),
    lying(
      'checkpoint-with-changed-envelope',
      'The kept envelope was changed after it was signed.',
      before().then((envelope) =>
        continued(checkpoint({ ...envelope, signed_at: TIME.replace('12', '11') }), next),
      ),
    ),
    lying(
      'checkpoint-signed-by-another',
      "The kept envelope has Mallory's signature under Alice's key.",
      before({ signers: [{ ...signer(mallory), publicKey: alice.publicKey }] }).then((envelope) =>
        continued(checkpoint(envelope), next),
      ),
    ),
  ];
  return {
    name: 'continued',
    description:
      'Archives that were opened, continued and sealed again, with the earlier sealing kept in the chain.',
    vectors,
  };
}
