import { Manifest, type Participant } from '../../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { MeshError } from '../../lib/errors.ts';
import { canonicalJson } from '../../lib/json.ts';
import { capsuleId } from '../canonical.ts';
import { linkEvents } from '../chain.ts';
import { checkpointOf, keptSignatures, MAX_CHECKPOINT_SIGNATURES } from '../checkpoint.ts';
import { quoted } from '../findings.ts';
import { VerifiedFiles } from '../open-verified.ts';
import { PATHS } from '../paths.ts';
import type {
  ArchiveComponents,
  ArchiveDraft,
  ByteSink,
  EventDraft,
  OpenedArchive,
  Sealed,
  SealOptions,
} from '../types.ts';
import { writeZip } from '../zip/writer.ts';
import {
  demandAtMost,
  demandJson,
  demandParticipants,
  demandSealOptions,
  invalid,
  MAX_JSON_DEPTH,
  originatorOf,
} from './checks.ts';
import {
  type Contents,
  demandWithinLimits,
  type PreparedFile,
  prepareFiles,
  sealContainer,
} from './container.ts';
import { completeEvents, demandExtractable, OWN_PATHS, payloadFiles, textFiles } from './draft.ts';

/** What the next sealing adds. Program, agents and payload files replace those that are there by the same path. */
export interface ArchiveAdditions
  extends Partial<Pick<ArchiveDraft, 'program' | 'agents' | 'payload' | 'pith' | 'originatorLabel'>> {
  events: EventDraft[];
  /** Beyond those that the archive has. */
  participants?: Participant[];
}

/** In later drafts of the format a statement about the one set of signers: it would be false of another one. */
const SIGNER_COMMITMENT = 'signer_commitment';
/** What is known, and so made anew, and what may not be repeated. */
const NOT_KEPT: ReadonlySet<string> = new Set([...Object.keys(Manifest.properties), SIGNER_COMMITMENT]);

/**
 * Seals a verified archive again, as its next checkpoint: every event stays as it is, then one keeps the envelope of
 * the sealing before (`checkpoint.ts`), then come the added ones. With the same originator the capsule keeps its id;
 * with another one it is a capsule of its own, whose skills are `unsigned` until that originator says otherwise. What
 * was encrypted stays so, for the same recipients where none are named. Throws as `sealArchive` does, and
 * `unverified_archive` for what was not verified.
 */
export async function continueArchive(
  components: ArchiveComponents,
  opened: OpenedArchive,
  additions: ArchiveAdditions,
  options: SealOptions,
  sink: ByteSink,
): Promise<Sealed> {
  const { crypto } = components;
  if (!opened.verification.ok)
    throw new MeshError('unverified_archive', 'An archive that does not verify is not continued.');
  demandSealOptions(options);
  const { sealedAt, signal } = options;
  // What was encrypted does not become plain because somebody left the recipients out.
  const before = opened.decryption?.key_bundles.map((bundle) => bundle.recipient_public_key);
  const recipients = options.recipients?.length ? options.recipients : [...new Set(before)];
  const { manifest, envelope } = opened;
  const verified = new VerifiedFiles(components, opened);
  const participants = allParticipants(opened, additions.participants);
  const added = [...payloadFiles(additions.payload ?? []), ...textFiles(additions)];
  const kept = await keptFiles(opened, verified, new Set(added.map(({ path }) => path)));
  demandExtractable(added, kept);
  demandWithinLimits([...kept, ...added]);
  const signatures = keptSignatures(opened.events) + envelope.signers.length;
  demandAtMost(MAX_CHECKPOINT_SIGNATURES, signatures, 'signatures in the checkpoints of an archive');
  const prepared = await prepareFiles(crypto, added, signal);
  const hashes = new Map(prepared.map(({ path, sha256 }) => [path, sha256]));
  const checkpoint = checkpointOf(opened, {
    sealedAt,
    replaced: manifest.content_index.files
      .filter(({ path, sha256 }) => (hashes.get(path) ?? sha256) !== sha256)
      .map(({ path, sha256 }) => ({ path, sha256 })),
  });
  demandJson('The envelope before', checkpoint, MAX_JSON_DEPTH);
  const events = completeEvents({ ...additions, participants }, sealedAt);
  const linked = linkEvents(crypto, [checkpoint, ...events], {
    seq: opened.events.length,
    hash: envelope.entry_hash,
  });
  const { files, sealed } = await sealContainer(
    components,
    {
      files: [...kept, ...prepared],
      chain: await verified.read(PATHS.chain),
      events: linked,
      claims: { ...claimsOf(components, opened, additions.originatorLabel, options), participants },
      unknown: unknownMembers(manifest),
      // What was plain and is encrypted now says nothing outside of what is inside.
      outerUnknown: opened.decryption === null ? {} : unknownMembers(opened.verification.manifest),
    },
    { ...options, recipients },
  );
  await writeZip(components, files, sink, signal);
  return sealed;
}

/**
 * The files that are there, to be sealed again but for those that are `replaced`: as they are, read from where they
 * are, and not hashed again. Only a compressed one comes into memory.
 */
async function keptFiles(
  { container: { source } }: OpenedArchive,
  verified: VerifiedFiles,
  replaced: ReadonlySet<string>,
): Promise<PreparedFile[]> {
  const files: PreparedFile[] = [];
  for (const { path, size, crc32, sha256, dataOffset, compressed } of verified.entries.values()) {
    if (OWN_PATHS.has(path) || replaced.has(path)) continue;
    const inPlace = { size, read: (at: number, length: number) => source.read(dataOffset + at, length) };
    const content = compressed ? await verified.read(path) : inPlace;
    files.push({ path, size, crc32, sha256, content });
  }
  return files;
}

/** Those that are there, as they are, and the new ones. Throws `invalid_request` where one would be changed. */
function allParticipants({ manifest }: OpenedArchive, added: Participant[] = []): Participant[] {
  if (added.length === 0) return manifest.participants;
  demandParticipants(added);
  const present = new Map(manifest.participants.map((participant) => [participant.actor_id, participant]));
  const fresh = added.filter((participant) => {
    const same = present.get(participant.actor_id);
    if (same !== undefined && canonicalJson(same) !== canonicalJson(participant))
      throw invalid(`The participant ${quoted(participant.actor_id)} is there already, and not the same.`);
    return same === undefined;
  });
  return [...manifest.participants, ...fresh];
}

function claimsOf(
  { crypto }: ArchiveComponents,
  { manifest }: OpenedArchive,
  label: string | undefined,
  { signers, sealedAt }: SealOptions,
): Omit<Contents['claims'], 'participants'> {
  const { first_event_hash, skill_trust: trust = {}, created_at = sealedAt } = manifest;
  const key = originatorOf(signers, manifest.originator.public_key);
  const own = key === manifest.originator.public_key;
  const originator = own ? manifest.originator : { public_key: key, label: '' };
  demandJson("The originator's label", label ?? '', 0);
  return {
    id: capsuleId(crypto, key, first_event_hash),
    originator: label === undefined ? originator : { ...originator, label },
    first_event_hash,
    // A new originator has not vouched for anybody's instructions.
    skill_trust: own ? trust : Object.fromEntries(Object.keys(trust).map((id) => [id, 'unsigned'])),
    created_at: own ? created_at : sealedAt,
  };
}

function unknownMembers(manifest: Manifest | null): JsonObject {
  const members: JsonObject = { ...manifest };
  return Object.fromEntries(Object.entries(members).filter(([name]) => !NOT_KEPT.has(name)));
}
