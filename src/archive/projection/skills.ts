import { modelText } from '../../lib/untrusted-text.ts';
import { excerptOf, type Projected } from './blocks.ts';
import type { Block } from './fence.ts';
import { recordLine } from './text.ts';

const SKILL_FILE = /^skills\/([^/]+)\/(?:skill\.json|SKILL\.md)$/;
/** Metadata for the reader of an encrypted archive; never a skill, whatever is put there and in whichever case. */
const NEVER_A_SKILL = 'decryption';
/** More than a model can follow, and less than what makes the projection slow. */
const MAX_SIGNED_SKILLS = 32;

/**
 * The skills of an archive by what they may be taken for (archive-v0.6 "Hydration"): instructions, one block for each
 * that is `signed` under a valid signature of a key that the caller trusts, and all others, null where there are none.
 */
export async function readSkills(
  projected: Projected,
): Promise<{ instructions: Block[]; quoted: Block | null }> {
  const found = new Set<string>();
  for (const path of projected.opened.container.entries.keys()) {
    const id = SKILL_FILE.exec(path)?.[1];
    if (id !== undefined && id.toLowerCase() !== NEVER_A_SKILL) found.add(id);
  }
  const ids = [...found].sort();
  const signed = ids.filter((id) => isSigned(projected, id)).slice(0, MAX_SIGNED_SKILLS);
  const instructions: Block[] = [];
  for (const id of signed)
    instructions.push(await instructionBlock(projected, id, String(instructions.length + 1)));
  const others = ids.filter((id) => !signed.includes(id));
  return { instructions, quoted: others.length === 0 ? null : await quotedBlock(projected, others) };
}

/**
 * The manifest's word, an indexed `skill.json`, and a valid signature by a trusted key on the very envelope that covers
 * them: of an encrypted archive the inner one, since ChaCha20-Poly1305 does not commit to a key, and who signs a
 * ciphertext that opens in two ways has signed neither content.
 */
function isSigned({ opened, files }: Projected, id: string): boolean {
  const { manifest, envelope, verification } = opened;
  const tiers = manifest.skill_trust ?? {};
  return (
    Object.hasOwn(tiers, id) &&
    tiers[id] === 'signed' &&
    files.has(`skills/${id}/skill.json`) &&
    verification.signers.some(
      ({ valid, trusted, public_key: key }) =>
        valid && trusted && envelope.signers.some((signer) => signer.public_key === key),
    )
  );
}

async function skillLines(projected: Projected, id: string): Promise<{ lines: string[]; complete: boolean }> {
  const lines: string[] = [];
  let complete = true;
  for (const file of ['skill.json', 'SKILL.md']) {
    const excerpt = await excerptOf(projected, `skills/${id}/${file}`);
    if (excerpt === null) continue;
    lines.push(recordLine({ skill: id, file }).line, ...excerpt.lines);
    complete &&= excerpt.complete;
  }
  return { lines, complete };
}

async function instructionBlock(projected: Projected, id: string, number: string): Promise<Block> {
  const { lines, complete } = await skillLines(projected, id);
  const limit = String(projected.maxChars);
  return {
    frame: 'instructions',
    label: `signed skill ${number}`,
    source: `skills/${modelText(id)}`,
    lines,
    // Half an instruction can say the opposite of the whole.
    note: () => `Signed skill ${number} is left out: it does not fit into ${limit} characters.`,
    unmade: complete ? 0 : 1,
  };
}

async function quotedBlock(projected: Projected, ids: readonly string[]): Promise<Block> {
  const lines: string[] = [];
  let [unmade, size] = [ids.length, 0];
  for (const id of ids) {
    if (size >= projected.maxChars) break;
    const skill = await skillLines(projected, id);
    lines.push(...skill.lines);
    size += skill.lines.reduce((sum, line) => sum + line.length, 0);
    unmade -= skill.complete ? 1 : 0;
  }
  const note = () => `The rest of ${String(ids.length)} skills that are not trusted is left out.`;
  return { label: 'skills that are not trusted', source: 'skills', lines, note, unmade };
}
