import type { JsonObject, JsonValue } from '../../../protocols/common/v1/schema.ts';
import type { Receipt } from '../../../protocols/receipt/v1/schema.ts';
import { timestampOf } from '../../archive/strict.ts';
import type { EventDraft } from '../../archive/types.ts';
import { nodeIdOf } from '../../capsule/identity.ts';
import { modelExecutionOf } from '../../capsule/model-execution.ts';
import { nodeActor, originActor } from './actors.ts';
import { priceOf, type WorkflowFacts, type WorkflowStep } from './facts.ts';

/** Characters of a result that an event quotes; it is cut further when the event is written. */
const STATEMENT_CHARS = 2_000;
/** Members of a result that are its text for a person, the best first. */
const TEXT_MEMBERS = ['summary', 'text', 'message', 'title'] as const;

/** What a result says to a person; undefined where it is no text. */
export function textOf(result: unknown): string | undefined {
  if (typeof result === 'string') return result;
  if (typeof result !== 'object' || result === null) return undefined;
  const members = new Map(Object.entries(result));
  const texts = TEXT_MEMBERS.map((name) => members.get(name));
  return texts.find((text): text is string => typeof text === 'string' && text.trim() !== '');
}

interface Moment {
  /** ms since the epoch; never before what it follows from, whatever the nodes' clocks say, nor after the sealing. */
  at: number;
  draft: EventDraft;
}

/**
 * One event for each capsule and one for each receipt, in the order in which they happened. What others wrote, models
 * included, is marked as untrusted.
 */
export function workflowEvents({ steps, missing }: WorkflowFacts, sealedAtMs: number): EventDraft[] {
  const moments: Moment[] = [];
  const ended = new Map<WorkflowStep, number>();
  for (const step of steps) {
    const { capsule, receipt, parent } = step;
    const follows = parent === null ? 0 : (ended.get(parent) ?? 0);
    const begun = Math.min(Math.max(capsule.timestamp, follows), sealedAtMs);
    moments.push({ at: begun, draft: capsuleEvent(step, begun) });
    const done = receipt === null ? begun : Math.min(Math.max(receipt.finishedAt, begun), sealedAtMs);
    if (receipt !== null) {
      const lost = missing.filter((each) => each.parent === step).length;
      moments.push({ at: done, draft: receiptEvent(step, receipt, done, lost) });
    }
    ended.set(step, done);
  }
  // Stable: what has the same time stays in the order of cause and effect.
  return moments.sort((a, b) => a.at - b.at).map(({ draft }) => draft);
}

function capsuleEvent(step: WorkflowStep, at: number): EventDraft {
  const { capsule, record } = step;
  const { id, requestedCapability: capability, parentCapsule } = capsule;
  const asked = parentCapsule === null;
  const error = record.error;
  return {
    actor: asked ? originActor(step) : nodeActor(record.coordinator),
    kind: 'decision',
    action: asked ? 'capsule_submitted' : 'step_delegated',
    target: `capsule:${id}`,
    timestamp: timestampOf(at),
    payload: {
      capsule: id,
      capability,
      origin: capsule.originIdentity,
      privacy: capsule.privacyRule,
      status: record.status,
      ...(parentCapsule !== null && { parent: parentCapsule }),
      ...(error !== null && { error: { code: error.code, message: error.message } }),
      summary: `${asked ? 'Asked for' : 'Next step'} ${capability}; it ${record.status}.`,
    },
    untrusted_payload_fields: ['payload.summary', ...(error === null ? [] : ['payload.error.message'])],
  };
}

function receiptEvent(step: WorkflowStep, receipt: Receipt, at: number, lost: number): EventDraft {
  const { capsule, stored } = step;
  const { status, error } = receipt;
  const execution = modelExecutionOf(receipt);
  const seconds = Math.max(0, receipt.finishedAt - receipt.startedAt) / 1000;
  const statement = textOf(stored?.result)?.slice(0, STATEMENT_CHARS).toWellFormed();
  const payload: JsonObject = {
    capsule: capsule.id,
    receipt: receipt.receiptHash,
    capability: receipt.capabilityId,
    action: receipt.action,
    status,
    input_hash: receipt.inputHash,
    result_hash: receipt.resultHash,
    code_hash: receipt.codeHash,
    seconds,
    price: priceOf(step),
    ...(lost > 0 && { steps_without_capsule: lost }),
    ...(execution !== null && { model: execution.model, model_digest: execution.digest }),
    ...(error !== null && { error: { code: error.code, message: error.message } }),
    ...(statement !== undefined && { statement }),
    summary: `${receipt.capabilityId} ${status} in ${seconds} s.`,
  };
  return {
    actor: nodeActor(nodeIdOf(receipt.identity)),
    kind: mayHaveChanged(receipt) ? 'mutation' : 'observation',
    action: status === 'completed' ? 'capsule_executed' : 'capsule_failed',
    target: `capsule:${capsule.id}`,
    timestamp: timestampOf(at),
    payload,
    untrusted_payload_fields: FOREIGN.filter(([name]) => isThere(payload[name])).map(([, path]) => path),
  };
}

/** Members of a receipt's event that come from other nodes. */
const FOREIGN = [
  ['action', 'payload.action'],
  ['model', 'payload.model'],
  ['model_digest', 'payload.model_digest'],
  ['error', 'payload.error.message'],
  ['statement', 'payload.statement'],
  ['summary', 'payload.summary'],
] as const;

const isThere = (value: JsonValue | undefined): boolean => value !== undefined && value !== null;

/** By what it was let do: storage of a failed run is never written, a call to the outside may have been made. */
function mayHaveChanged({ status, permissionsUsed }: Receipt): boolean {
  return permissionsUsed.some(
    (used) => used.startsWith('network:') || (used === 'storage' && status === 'completed'),
  );
}
