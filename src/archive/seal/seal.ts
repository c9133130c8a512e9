import { capsuleId } from '../canonical.ts';
import { linkEvents } from '../chain.ts';
import type { ArchiveComponents, ArchiveDraft, ByteSink, Sealed, SealOptions } from '../types.ts';
import { writeZip } from '../zip/writer.ts';
import { demandSealOptions, originatorOf } from './checks.ts';
import {
  containerBytes,
  demandWithinLimits,
  prepareFiles,
  type SealedContainer,
  sealContainer,
} from './container.ts';
import { completeDraft } from './draft.ts';

/**
 * Makes a signed archive of a draft, encrypted where there are recipients, and writes it in order. Sources are read
 * twice, in pieces; only an encrypted archive is held in memory. Throws `invalid_request` and `too_large` for what no
 * reader would take, and `conflict` where a source changed between the readings; then what was written is worthless.
 */
export async function sealArchive(
  components: ArchiveComponents,
  draft: ArchiveDraft,
  options: SealOptions,
  sink: ByteSink,
): Promise<Sealed> {
  const { files, sealed } = await containerFor(components, draft, options);
  await writeZip(components, files, sink, options.signal);
  return sealed;
}

/** The same as one piece of memory. */
export async function sealToBytes(
  components: ArchiveComponents,
  draft: ArchiveDraft,
  options: SealOptions,
): Promise<{ bytes: Uint8Array; sealed: Sealed }> {
  const container = await containerFor(components, draft, options);
  const bytes = await containerBytes(components, container, options.signal);
  return { bytes, sealed: container.sealed };
}

async function containerFor(
  components: ArchiveComponents,
  draft: ArchiveDraft,
  options: SealOptions,
): Promise<SealedContainer> {
  const { crypto } = components;
  const { sealedAt, signers, signal } = options;
  demandSealOptions(options);
  const complete = completeDraft(draft, sealedAt);
  demandWithinLimits(complete.files);
  const events = linkEvents(crypto, complete.events);
  const firstHash = events[0]?.hash;
  if (firstHash === undefined) throw new TypeError('A chain has at least one event.');
  const files = await prepareFiles(crypto, complete.files, signal);
  const originator = originatorOf(signers);
  const claims = {
    id: capsuleId(crypto, originator, firstHash),
    originator: { public_key: originator, label: complete.originatorLabel },
    participants: complete.participants,
    first_event_hash: firstHash,
    skill_trust: complete.skillTrust,
    created_at: sealedAt,
  };
  return sealContainer(components, { files, events, claims }, options);
}
