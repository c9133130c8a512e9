import type { OpenedArchive } from '../types.ts';
import type { Block } from './fence.ts';
import type { ExcerptReader } from './read.ts';
import { linesOf, type RecordLine, recordLine } from './text.ts';

/** A Markdown file of the archive; null where there is none. */
export async function textBlock(
  reader: ExcerptReader,
  path: 'program.md' | 'agents.md',
  weight: number,
): Promise<Block | null> {
  const excerpt = await reader.read(path);
  if (excerpt === null) return null;
  return {
    frame: 'quoted',
    label: path,
    source: path,
    lines: linesOf(excerpt.text),
    keep: 'head',
    note: () => `The rest of ${path} is left out; it has ${String(excerpt.bytes)} bytes in all.`,
    unmade: excerpt.complete ? 0 : 1,
    cut: false,
    weight,
  };
}

/** Names that people and programs gave themselves: originator, participants, roles of signers. */
export function peopleBlock({ manifest, verification }: OpenedArchive, maxChars: number): Block {
  const { originator, participants } = manifest;
  return records(
    { label: 'names that the authors gave', source: 'manifest.json', what: 'names', weight: 1 },
    [
      { originator: originator.label ?? null },
      ...participants.map(({ actor_id, role, label }) => ({ participant: actor_id, role, label })),
      ...verification.signers.map(({ public_key, role }) => ({ signer: public_key, role })),
    ],
    maxChars,
  );
}

/** Every indexed file by path, size and hash: inert evidence, of which nothing is opened. */
export function filesBlock({ manifest, container }: OpenedArchive, maxChars: number): Block {
  return records(
    { label: 'list of files', source: 'content_index', what: 'files', weight: 1 },
    manifest.content_index.files.map(({ path, sha256 }) => ({
      path,
      size: container.entries.get(path)?.size ?? null,
      sha256,
    })),
    maxChars,
  );
}

function records(
  { label, source, what, weight }: { label: string; source: string; what: string; weight: number },
  values: readonly object[],
  maxChars: number,
): Block {
  const made: RecordLine[] = [];
  let size = 0;
  for (const value of values) {
    if (size >= maxChars) break;
    const record = recordLine(value);
    made.push(record);
    size += record.line.length;
  }
  return {
    frame: 'quoted',
    label,
    source,
    lines: made.map(({ line }) => line),
    keep: 'head',
    note: (missing) => `${String(missing)} of ${String(values.length)} ${what} are left out.`,
    unmade: values.length - made.length,
    cut: made.some(({ cut }) => cut),
    weight,
  };
}
