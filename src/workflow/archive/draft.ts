import type { JsonValue } from '../../../protocols/common/v1/schema.ts';
import { canonicalBytes } from '../../archive/canonical.ts';
import { timestampOf } from '../../archive/strict.ts';
import type { ArchiveDraft, FileInput } from '../../archive/types.ts';
import { nodeIdOf } from '../../capsule/identity.ts';
import { MeshError } from '../../lib/errors.ts';
import { isJson } from '../../lib/json.ts';
import { participantsOf } from './actors.ts';
import { workflowEvents } from './events.ts';
import type { WorkflowFacts, WorkflowStep } from './facts.ts';
import { workflowAgents, workflowProgram } from './program.ts';
import { Turns } from './turns.ts';

/** Bytes of all files; with chain and wrapping it stays below what `POST /api/archives/verify` takes, and in memory. */
const MAX_FILES_BYTES = 50_331_648;

export interface DraftOptions {
  /** ms since the epoch */
  sealedAtMs: number;
  /** 64-hex */
  sealingIdentity: string;
  turns?: Turns;
  signal?: AbortSignal;
}

/** What the archive of a finished workflow is made of. Throws `too_large`. */
export async function workflowDraft(
  facts: WorkflowFacts,
  { sealedAtMs, sealingIdentity, turns = new Turns(), signal }: DraftOptions,
): Promise<Omit<ArchiveDraft, 'payload'> & { payload: BytesFile[] }> {
  const sealingNode = nodeIdOf(sealingIdentity);
  const payload: BytesFile[] = [];
  let size = 0;
  for (const step of facts.steps) {
    const files = filesOf(step);
    const more = files.reduce((sum, { content }) => sum + content.length, 0);
    size += more;
    if (size > MAX_FILES_BYTES)
      throw new MeshError(
        'too_large',
        `The workflow's files have more than ${MAX_FILES_BYTES} bytes, which are put into one archive.`,
      );
    payload.push(...files);
    await turns.before(more, signal);
  }
  return {
    program: workflowProgram(facts, {
      identity: sealingIdentity,
      nodeId: sealingNode,
      sealedAt: timestampOf(sealedAtMs),
    }),
    agents: workflowAgents(facts, sealingNode),
    payload,
    participants: participantsOf(facts, sealingNode),
    originatorLabel: `capsule-mesh node ${sealingNode}`,
    events: workflowEvents(facts, sealedAtMs),
  };
}

type BytesFile = FileInput & { content: Uint8Array };

/** In canonical form, so that the hashes in a receipt are the hashes of the files. */
function filesOf({ capsule, record, receipt, stored, decisions }: WorkflowStep): BytesFile[] {
  const { id } = capsule;
  const files = [
    json(`capsules/${id}.json`, capsule),
    json(`inputs/${id}.json`, capsule.payload),
    json(`history/${id}.json`, record.history),
  ];
  if (receipt !== null) files.push(json(`receipts/${id}.json`, receipt));
  if (decisions.length > 0) files.push(json(`decisions/${id}.json`, decisions));
  if (receipt?.status === 'completed')
    files.push(json(`results/${id}.json`, stored?.result), ...texts(id, stored?.result));
  return files;
}

/** Texts of a result as files of their own, easier to read than JSON. HTML stays inside the JSON, so that it is not rendered by mistake. */
function texts(id: string, result: unknown): BytesFile[] {
  if (typeof result !== 'object' || result === null) return [];
  return Object.entries(result).flatMap(([name, value]) => {
    const ending = TEXT_FILES.get(name);
    return ending === undefined || typeof value !== 'string'
      ? []
      : [{ path: `payload/results/${id}.${ending}`, content: new TextEncoder().encode(value) }];
  });
}

const TEXT_FILES: ReadonlyMap<string, string> = new Map([
  ['markdown', 'md'],
  ['text', 'txt'],
]);

function json(path: string, value: unknown): BytesFile {
  return { path: `payload/${path}`, content: canonicalBytes(asJson(value)) };
}

/** Documents from the database are JSON by their making; what is not there is null. */
function asJson(value: unknown): JsonValue {
  return isJson(value) ? value : null;
}
