import { basename, resolve } from 'node:path';
import type { Participant, SkillTier } from '../../../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../../../protocols/common/v1/schema.ts';
import { ORIGINATOR } from '../../../archive/envelope.ts';
import { PATHS } from '../../../archive/paths.ts';
import type { ArchiveDraft, EventDraft, FileInput } from '../../../archive/types.ts';
import { isObject } from '../../../lib/json.ts';
import type { Cli } from '../../cli.ts';
import { usage } from '../../failure.ts';
import { readJsonFile, readText } from '../../files.ts';
import { plural } from '../../format.ts';
import { actingParticipants, actorId, readEventFile, readEvents, TEXT_BYTES } from './drafts.ts';
import { type FolderFile, walkFolder } from './folder-walk.ts';
import type { SealOptions } from './options.ts';
import { byteCount, oneLine } from './text.ts';

/** Files that the program.md written here names. */
const LISTED_FILES = 200;
const EVENT_FILES = ['events.json', 'events.jsonl'];
const SKILL_FILE = /^skills\/(?<id>[^/]+)\/(?<file>skill\.json|SKILL\.md)$/;

/** Where each file of a folder goes. */
interface Sorted {
  program: FolderFile | undefined;
  agents: FolderFile | undefined;
  events: FolderFile[];
  skills: Map<string, Map<string, FolderFile>>;
  payload: Map<string, FolderFile>;
}

/** What a folder becomes (archive-v0.6 "Layout"): known names in their places, everything else below `payload/`. */
export async function folderDraft(cli: Cli, folder: string, options: SealOptions): Promise<ArchiveDraft> {
  const { files, hidden } = await walkFolder(folder, options);
  if (hidden > 0) cli.note(`Left out ${plural(hidden, 'hidden entry')}.`);
  const names = new Set(files.map(({ path }) => path));
  if (names.has(PATHS.manifest) && names.has(PATHS.envelope))
    throw usage(
      `${folder} is an extracted archive; sealed again as a folder its history would be lost.`,
      'Continue the archive itself: capsule append FILE -o FILE2 --event JSON',
    );
  const sorted = sort(files);
  const actor = actorId(options.actor);
  const events: EventDraft[] = [];
  for (const file of sorted.events) events.push(...(await readEventFile(cli, file.location, actor)));
  events.push(...(await readEvents(cli, options.event, actor)));
  const origin: Participant = { actor_id: actor, role: ORIGINATOR, label: options.author ?? null };
  const payload: FileInput[] = [...sorted.payload].map(([path, content]) => ({ path, content }));
  const skills = await readSkills(cli, sorted.skills, options.signedSkill ?? []);
  if (sorted.program !== undefined && options.title !== undefined)
    cli.note(`${folder} has a program.md: --title is not used.`);
  return {
    program:
      sorted.program === undefined
        ? programOf(options.title ?? basename(resolve(folder)), sorted.payload)
        : await textOf(cli, sorted.program),
    ...(sorted.agents !== undefined && { agents: await textOf(cli, sorted.agents) }),
    skills,
    payload,
    participants: [origin, ...actingParticipants(cli, events, [origin])],
    ...(options.author !== undefined && { originatorLabel: options.author }),
    events,
    ...(!options.pith && { pith: false }),
  };
}

function sort(files: readonly FolderFile[]): Sorted {
  const sorted: Sorted = {
    program: undefined,
    agents: undefined,
    events: [],
    skills: new Map(),
    payload: new Map(),
  };
  for (const file of files) {
    const skill = SKILL_FILE.exec(file.path)?.groups;
    if (file.path === PATHS.program) sorted.program = file;
    else if (file.path === PATHS.agents) sorted.agents = file;
    else if (EVENT_FILES.includes(file.path)) sorted.events.push(file);
    else if (skill?.id !== undefined && skill.file !== undefined) {
      const known = sorted.skills.get(skill.id) ?? new Map<string, FolderFile>();
      sorted.skills.set(skill.id, known.set(skill.file, file));
    } else {
      const path = file.path.startsWith(PATHS.payload) ? file.path : `${PATHS.payload}${file.path}`;
      if (sorted.payload.has(path)) throw usage(`Two files of the folder would both become ${path}.`);
      sorted.payload.set(path, file);
    }
  }
  if (sorted.events.length > 1) throw usage(`Have ${EVENT_FILES.join(' or ')}, not both.`);
  return sorted;
}

async function readSkills(
  cli: Cli,
  found: Sorted['skills'],
  signed: readonly string[],
): Promise<NonNullable<ArchiveDraft['skills']>> {
  for (const id of signed)
    if (!found.has(id)) throw usage(`There is no skill "${id}" in the folder to be signed.`);
  const skills: NonNullable<ArchiveDraft['skills']> = [];
  for (const [id, files] of found) {
    const [metadata, instructions] = [files.get('skill.json'), files.get('SKILL.md')];
    const tier: SkillTier = signed.includes(id) ? 'signed' : 'unsigned';
    skills.push({
      id,
      tier,
      metadata: metadata === undefined ? { id } : await objectOf(cli, metadata),
      ...(instructions !== undefined && { instructions: await textOf(cli, instructions) }),
    });
  }
  return skills;
}

const textOf = (cli: Cli, file: FolderFile): Promise<string> => readText(cli.io, file.location, TEXT_BYTES);

async function objectOf(cli: Cli, file: FolderFile): Promise<JsonObject> {
  const value = await readJsonFile(cli.io, file.location);
  if (isObject(value)) return value;
  throw usage(`${file.location} is not a JSON object.`);
}

/** For a folder that says nothing about itself. */
function programOf(title: string, payload: ReadonlyMap<string, FolderFile>): string {
  const files = [...payload].sort(([a], [b]) => (a < b ? -1 : 1));
  const more = files.length - LISTED_FILES;
  return [
    `# ${oneLine(title)}`,
    '',
    files.length === 0 ? 'No files.' : 'Files:',
    '',
    ...files.slice(0, LISTED_FILES).map(([path, { size }]) => `- ${oneLine(path)} (${byteCount(size)})`),
    ...(more > 0 ? [`- and ${String(more)} more`] : []),
    '',
  ].join('\n');
}
