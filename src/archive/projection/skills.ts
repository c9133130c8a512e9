import { modelText } from '../../lib/untrusted-text.ts';
import type { OpenedArchive } from '../types.ts';
import type { Block } from './fence.ts';
import type { ExcerptReader } from './read.ts';
import { linesOf, recordLine } from './text.ts';

const SKILL_FILE = /^skills\/([^/]+)\/(?:skill\.json|SKILL\.md)$/;
/** Metadata for the reader of an encrypted archive; never a skill, whatever is put there and in whichever case. */
const NEVER_A_SKILL = 'decryption';
/** More than a model can follow, and less than what makes the projection slow. */
const MAX_SIGNED_SKILLS = 32;

export interface Skills {
  /** One block each: `signed`, under a valid signature of a key that the caller trusts. */
  instructions: Block[];
  /** All others; null where there are none. */
  quoted: Block | null;
}

/** The skills of an archive by what they may be taken for (archive-v0.6 "Hydration"). */
export async function readSkills(
  opened: OpenedArchive,
  reader: ExcerptReader,
  maxChars: number,
): Promise<Skills> {
  const ids = skillIds(opened);
  const signed = ids.filter((id) => isSigned(opened, id, reader)).slice(0, MAX_SIGNED_SKILLS);
  const instructions: Block[] = [];
  for (const [index, id] of signed.entries())
    instructions.push(await instructionBlock(reader, id, index + 1, maxChars));
  const others = ids.filter((id) => !signed.includes(id));
  return { instructions, quoted: others.length === 0 ? null : await quotedBlock(reader, others, maxChars) };
}

function skillIds({ container }: OpenedArchive): string[] {
  const ids = new Set<string>();
  for (const path of container.entries.keys()) {
    const id = SKILL_FILE.exec(path)?.[1];
    if (id !== undefined && id.toLowerCase() !== NEVER_A_SKILL) ids.add(id);
  }
  return [...ids].sort();
}

/**
 * The manifest's word, an indexed `skill.json`, and a valid signature by a trusted key on the very envelope that covers
 * them: of an encrypted archive the inner one, since ChaCha20-Poly1305 does not commit to a key, and who signs a
 * ciphertext that opens in two ways has signed neither content.
 */
function isSigned(
  { manifest, envelope, verification }: OpenedArchive,
  id: string,
  reader: ExcerptReader,
): boolean {
  const tiers = manifest.skill_trust ?? {};
  return (
    Object.hasOwn(tiers, id) &&
    tiers[id] === 'signed' &&
    reader.has(`skills/${id}/skill.json`) &&
    verification.signers.some(
      ({ valid, trusted, public_key: key }) =>
        valid && trusted && envelope.signers.some((signer) => signer.public_key === key),
    )
  );
}

async function skillLines(
  reader: ExcerptReader,
  id: string,
): Promise<{ lines: string[]; complete: boolean }> {
  const lines: string[] = [];
  let complete = true;
  for (const file of ['skill.json', 'SKILL.md']) {
    const excerpt = await reader.read(`skills/${id}/${file}`);
    if (excerpt === null) continue;
    lines.push(recordLine({ skill: id, file }).line, ...linesOf(excerpt.text));
    complete &&= excerpt.complete;
  }
  return { lines, complete };
}

async function instructionBlock(
  reader: ExcerptReader,
  id: string,
  number: number,
  maxChars: number,
): Promise<Block> {
  const { lines, complete } = await skillLines(reader, id);
  return {
    frame: 'instructions',
    label: `signed skill ${String(number)}`,
    source: `skills/${modelText(id)}`,
    lines,
    keep: 'head',
    // Half an instruction can say the opposite of the whole.
    note: () =>
      `Signed skill ${String(number)} is left out: it does not fit into ${String(maxChars)} characters.`,
    unmade: complete ? 0 : 1,
    cut: false,
    weight: 1,
  };
}

async function quotedBlock(reader: ExcerptReader, ids: readonly string[], maxChars: number): Promise<Block> {
  const lines: string[] = [];
  let read = 0;
  let size = 0;
  let complete = true;
  while (read < ids.length && size < maxChars) {
    const skill = await skillLines(reader, ids[read] ?? '');
    lines.push(...skill.lines);
    size += skill.lines.reduce((sum, line) => sum + line.length, 0);
    complete &&= skill.complete;
    read += 1;
  }
  return {
    frame: 'quoted',
    label: 'skills that are not trusted',
    source: 'skills',
    lines,
    keep: 'head',
    note: () => `The rest of ${String(ids.length)} skills that are not trusted is left out.`,
    unmade: ids.length - read + (complete ? 0 : 1),
    cut: false,
    weight: 1,
  };
}
