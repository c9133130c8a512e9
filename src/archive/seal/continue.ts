import { type ArchiveEvent, Manifest, type Participant } from '../../../protocols/archive/v1/schema.ts';
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
  FileInput,
  OpenedArchive,
  Sealed,
  SealOptions,
} from '../types.ts';
import { chainLines } from './chain.ts';
import { sealContainer, writeContainer } from './container.ts';
import { keptFiles, replacedFiles } from './continue-files.ts';
import { demandJson, demandParticipants, invalid, MAX_JSON_DEPTH } from './draft-checks.ts';
import { completeEvents } from './draft-events.ts';
import { demandExtractable, payloadFiles, programFile, textFile } from './draft-files.ts';
import { demandWithinLimits, prepareBytes, prepareFile, sizeOf } from './files.ts';
import type { ManifestClaims } from './layer.ts';
import { demandSealOptions, originatorOf } from './options.ts';

/** What the next sealing adds. Program, agents and payload files replace those that are there by the same path. */
export interface ArchiveAdditions
  extends Partial<Pick<ArchiveDraft, 'program' | 'agents' | 'payload' | 'pith' | 'originatorLabel'>> {
  events: EventDraft[];
  /** Beyond those that the archive has. */
  participants?: Participant[];
}

const KNOWN_MEMBERS: ReadonlySet<string> = new Set(Object.keys(Manifest.properties));
/** In later drafts of the format a statement about the one set of signers: it would be false of another one. */
const SIGNER_COMMITMENT = 'signer_commitment';
const LINE_FEED = 0x0a;

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
  const participants = allParticipants(opened, additions.participants);
  const added = addedFiles(additions);
  const kept = await keptFiles(components, opened, new Set(added.map(({ path }) => path)));
  demandExtractable(added, kept);
  demandWithinLimits([...kept, ...added].map(sizeOf));
  const prepared = [];
  for (const file of added) prepared.push(await prepareFile(crypto, file, options.signal));
  if (keptSignatures(opened.events) + opened.envelope.signers.length > MAX_CHECKPOINT_SIGNATURES)
    throw new MeshError(
      'too_large',
      `The checkpoints of an archive keep at most ${String(MAX_CHECKPOINT_SIGNATURES)} signatures.`,
    );
  const checkpoint = checkpointOf(opened, {
    sealedAt: options.sealedAt,
    replaced: replacedFiles(opened, prepared),
  });
  demandJson('The envelope before', checkpoint, MAX_JSON_DEPTH);
  const events = completeEvents(additions.events, {
    actors: new Set(participants.map(({ actor_id: actor }) => actor)),
    sealedAt: options.sealedAt,
    pith: additions.pith ?? true,
  });
  const linked = linkEvents(crypto, [checkpoint, ...events], {
    seq: opened.events.length,
    hash: opened.envelope.entry_hash,
  });
  const chain = await prepareBytes(crypto, PATHS.chain, await continuedChain(components, opened, linked));
  const container = await sealContainer(
    components,
    {
      files: [chain, ...kept, ...prepared],
      claims: claimsOf(components, opened, { participants, label: additions.originatorLabel }, options),
      entryHash: linked.at(-1)?.hash ?? opened.envelope.entry_hash,
      outerUnknown: opened.decryption === null ? {} : unknownMembers(opened.verification.manifest),
    },
    { ...options, recipients: recipientsOf(opened, options) },
  );
  return writeContainer(components, container, sink, options.signal);
}

/** The bytes that are there, and the new lines. */
async function continuedChain(
  components: ArchiveComponents,
  opened: OpenedArchive,
  added: readonly ArchiveEvent[],
): Promise<Uint8Array> {
  const before = await new VerifiedFiles(components, opened).read(PATHS.chain);
  const start = before.at(-1) === LINE_FEED ? before.length : before.length + 1;
  const lines = chainLines(added, start);
  const whole = new Uint8Array(start + lines.length).fill(LINE_FEED, start - 1, start);
  whole.set(before);
  whole.set(lines, start);
  return whole;
}

function addedFiles({ program, agents, payload = [] }: ArchiveAdditions): FileInput[] {
  const files = payloadFiles(payload);
  if (program !== undefined) files.push(programFile(program));
  if (agents !== undefined) files.push(textFile(PATHS.agents, agents));
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
  { participants, label }: { participants: Participant[]; label: string | undefined },
  { signers, sealedAt }: SealOptions,
): ManifestClaims {
  const { first_event_hash: firstEventHash, skill_trust: skillTrust = {} } = manifest;
  const key = originatorOf(signers, manifest.originator.public_key);
  const own = key === manifest.originator.public_key;
  const originator = own ? manifest.originator : { public_key: key, label: '' };
  demandJson("The originator's label", label ?? '', 0);
  return {
    id: capsuleId(crypto, key, firstEventHash),
    originator: label === undefined ? originator : { ...originator, label },
    participants,
    firstEventHash,
    // A new originator has not vouched for anybody's instructions.
    skillTrust: own ? skillTrust : unsigned(skillTrust),
    createdAt: own ? (manifest.created_at ?? sealedAt) : sealedAt,
    unknown: unknownMembers(manifest),
  };
}

function unsigned(trust: ManifestClaims['skillTrust']): ManifestClaims['skillTrust'] {
  return Object.fromEntries(Object.keys(trust).map((id) => [id, 'unsigned']));
}

function unknownMembers(manifest: Manifest | null): JsonObject {
  const members: JsonObject = manifest === null ? {} : { ...manifest };
  const unknown = Object.entries(members).filter(
    ([name]) => !KNOWN_MEMBERS.has(name) && name !== SIGNER_COMMITMENT,
  );
  return Object.fromEntries(unknown);
}

/** What was encrypted does not become plain because somebody left the recipients out. */
function recipientsOf({ decryption }: OpenedArchive, { recipients = [] }: SealOptions): string[] {
  if (recipients.length > 0) return recipients;
  return [...new Set(decryption?.key_bundles.map((bundle) => bundle.recipient_public_key))];
}
