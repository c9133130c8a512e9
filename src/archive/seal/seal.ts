import type { ArchiveEvent } from '../../../protocols/archive/v1/schema.ts';
import { capsuleId } from '../canonical.ts';
import { linkEvents } from '../chain.ts';
import { PATHS } from '../paths.ts';
import type { ArchiveComponents, ArchiveDraft, ByteSink, Sealed, SealOptions } from '../types.ts';
import { chainLines } from './chain.ts';
import { containerBytes, type SealedContainer, sealContainer, writeContainer } from './container.ts';
import { completeDraft } from './draft.ts';
import { demandWithinLimits, prepareBytes, prepareFile, sizeOf } from './files.ts';
import { demandSealOptions, originatorOf } from './options.ts';

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
  const container = await containerFor(components, draft, options);
  return writeContainer(components, container, sink, options.signal);
}

/** The same as one piece of memory. */
export async function sealToBytes(
  components: ArchiveComponents,
  draft: ArchiveDraft,
  options: SealOptions,
): Promise<{ bytes: Uint8Array; sealed: Sealed }> {
  const container = await containerFor(components, draft, options);
  return {
    bytes: await containerBytes(components, container, options.signal),
    sealed: container.sealed,
  };
}

async function containerFor(
  components: ArchiveComponents,
  draft: ArchiveDraft,
  options: SealOptions,
): Promise<SealedContainer> {
  const { crypto } = components;
  demandSealOptions(options);
  const complete = completeDraft(draft, options.sealedAt);
  demandWithinLimits(complete.files.map(sizeOf));
  const events = linkEvents(crypto, complete.events);
  const files = [await prepareBytes(crypto, PATHS.chain, chainLines(events))];
  for (const file of complete.files) files.push(await prepareFile(crypto, file, options.signal));
  const { first, last } = endsOf(events);
  const originator = originatorOf(options.signers);
  const claims = {
    id: capsuleId(crypto, originator, first.hash),
    originator: { public_key: originator, label: complete.originatorLabel },
    participants: complete.participants,
    firstEventHash: first.hash,
    skillTrust: complete.skillTrust,
    createdAt: options.sealedAt,
    unknown: {},
  };
  return sealContainer(components, { files, claims, entryHash: last.hash, outerUnknown: {} }, options);
}

function endsOf(events: readonly ArchiveEvent[]): { first: ArchiveEvent; last: ArchiveEvent } {
  const [first] = events;
  const last = events.at(-1);
  if (first === undefined || last === undefined) throw new TypeError('A chain has at least one event.');
  return { first, last };
}
