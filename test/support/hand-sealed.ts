import type { Manifest } from '../../protocols/archive/v1/schema.ts';
import { canonicalBytes, capsuleId, indexHash } from '../../src/archive/canonical.ts';
import { linkEvents } from '../../src/archive/chain.ts';
import { nodeArchiveCrypto as crypto } from '../../src/archive/crypto/node-crypto.ts';
import { signEnvelope } from '../../src/archive/envelope.ts';
import { completeDraft } from '../../src/archive/seal/draft.ts';
import type { EventDraft } from '../../src/archive/types.ts';
import { alice } from './keys.ts';
import { rawZip } from './raw-zip.ts';
import { draftOf, SEALED_AT, signerOf } from './sealing.ts';

/**
 * An archive that verifies and that our own writer would not make: any files, any claims about skills. With two events
 * and `program.md`, unless `files` has another one.
 */
export async function handSealed(
  files: Record<string, string>,
  skillTrust: NonNullable<Manifest['skill_trust']> = {},
  signers = [signerOf(alice)],
  events: EventDraft[] = draftOf().events ?? [],
): Promise<Uint8Array> {
  const { participants, events: drafts } = completeDraft(draftOf({ events }), SEALED_AT);
  const linked = linkEvents(crypto, drafts);
  const [first, last] = [linked[0]?.hash ?? '', linked.at(-1)?.hash ?? ''];
  const all: Record<string, string> = {
    'program.md': '# Program\n',
    'chain/events.jsonl': linked.map((event) => `${JSON.stringify(event)}\n`).join(''),
    ...files,
  };
  const index = Object.keys(all)
    .sort()
    .map((path) => ({ path, sha256: crypto.sha256Hex(all[path] ?? '') }));
  const manifest = {
    format: {
      version: '0.6',
      container: 'zip' as const,
      canonicalization: 'JCS-RFC8785' as const,
      hash_algorithm: 'SHA-256' as const,
    },
    id: capsuleId(crypto, alice.identity, first),
    originator: { public_key: alice.identity, label: 'Alice' },
    participants,
    first_event_hash: first,
    content_index: { files: index, index_hash: indexHash(crypto, index) },
    skill_trust: skillTrust,
    encryption: null,
    created_at: SEALED_AT,
  };
  const envelope = await signEnvelope(
    {
      version: '0.6',
      capsule_id: manifest.id,
      first_event_hash: first,
      entry_hash: last,
      manifest_hash: crypto.sha256Hex(canonicalBytes(manifest)),
      content_index_hash: manifest.content_index.index_hash,
      encrypted_blob_hash: null,
      cipher: 'none',
      signed_at: SEALED_AT,
    },
    signers,
  );
  const documents = {
    ...all,
    'manifest.json': JSON.stringify(manifest),
    'provenance/envelope.json': JSON.stringify(envelope),
  };
  return rawZip(
    Object.entries(documents)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([name, content]) => ({ name, content, flags: 0x0800 })),
  );
}
