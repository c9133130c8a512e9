import type { JsonObject } from '../../../../protocols/common/v1/schema.ts';
import type { CapsuleDraft, CapsuleView } from '../../../api/schemas/capsules.ts';
import { type Projection, projectArchive } from '../../../archive/projection/hydrate.ts';
import { continueArchive } from '../../../archive/seal/continue.ts';
import type { EventDraft } from '../../../archive/types.ts';
import type { MeshClient } from '../../../client/client.ts';
import { MeshError } from '../../../lib/errors.ts';
import { isJson } from '../../../lib/json.ts';
import { checkOutputs, writeWhole } from '../../archive-files.ts';
import type { Cli } from '../../cli.ts';
import { usage } from '../../failure.ts';
import { resultText, submitCapsule } from '../../outcome.ts';
import { StatusLine } from '../../status-line.ts';
import { findNode } from '../../target.ts';
import { actingParticipants, sealingTime } from './drafts.ts';
import { readAllowlist } from './keys.ts';
import { components, withOpened } from './open.ts';
import type { HydrateOptions } from './options.ts';
import { tellSealed } from './sealed.ts';
import { readSigners } from './signers.ts';

/** Takes messages as they are; whatever else may be asked gets them as one text. */
const CHAT = 'ai.chat';
const DEFAULT_TASK = 'Say what has been done so far, what is still open, and what the next step should be.';

/** Verifies an archive, has a model of the mesh read it, appends what it said and seals again (archive-v0.6 "Hydration"). */
export async function hydrate(cli: Cli, options: HydrateOptions, file: string): Promise<void> {
  const { out, print } = options;
  if (out === undefined && !print)
    throw usage('Say where to write the archive: -o FILE, or --print to write none.');
  const target = print ? undefined : out;
  if (target !== undefined) await checkOutputs([target], options.force);
  // Also before anybody is asked: an answer that was paid for and cannot be sealed would be lost.
  const signers = target === undefined ? [] : await readSigners(cli, options);
  const allowlist = await readAllowlist(cli.io, options);
  const reading = { ...options, allowlist };
  await withOpened(cli, file, reading, async (opened, signal) => {
    const projection = await projectArchive(components, opened, {
      task: options.task ?? DEFAULT_TASK,
      signal,
    });
    if (projection.truncated) cli.note('Not all of the archive fits; the model sees excerpts.');
    if (target === undefined) return printProjection(cli, options, projection);
    // Whoever encrypted it did not mean it for whichever node is cheapest.
    if (opened.decryption !== null && options.on === undefined)
      throw usage('The archive is encrypted: no node reads it unless you name it.', 'Name one: --on NODE');
    const client = await findNode(cli.io, options);
    const view = await ask(cli, client, draftOf(options, projection), options.on, signal);
    const events = [eventOf(view)];
    const participants = actingParticipants(cli, events, opened.manifest.participants);
    const settings = { signers, sealedAt: sealingTime(undefined), signal };
    const sealed = await writeWhole(target, options, (sink) =>
      continueArchive(components, opened, { events, participants }, settings, sink),
    );
    if (!options.json) cli.note(`${resultText(view.result).trim()}\n`);
    tellSealed(cli, options, target, sealed);
  });
}

function printProjection(cli: Cli, options: HydrateOptions, projection: Projection): void {
  cli.answer(options, projection, () =>
    projection.messages.map(({ role, content }) => `[${role}]\n${content}`).join('\n\n'),
  );
}

function draftOf({ capability, pay }: HydrateOptions, { messages }: Projection): CapsuleDraft {
  const text = messages.map(({ content }) => content).join('\n\n');
  return {
    requestedCapability: capability,
    payload: capability === CHAT ? { messages } : { text },
    paymentRule: pay === undefined ? null : { type: 'credit', amount: pay },
    privacyRule: 'public',
    executionPolicy: null,
    next: null,
  };
}

async function ask(
  cli: Cli,
  client: MeshClient,
  body: CapsuleDraft,
  on: string | undefined,
  signal: AbortSignal,
): Promise<CapsuleView> {
  const status = new StatusLine(cli.io.stderr);
  const id = await submitCapsule(client, body, on);
  const onEvent = status.show.bind(status);
  const view = await client.waitForEnd(id, { signal, onEvent }).finally(() => status.clear());
  if (view.status !== 'failed') return view;
  const { code, message } = view.error ?? { code: 'internal' as const, message: 'The capsule failed.' };
  throw new MeshError(code, message, { capsule: id });
}

/** Nothing that a model said is taken for anything but words: its fields are marked untrusted. */
function eventOf(view: CapsuleView): EventDraft {
  const answer = resultText(view.result);
  const { requestedCapability: capability } = view.capsule;
  // A record on the wire is JSON; its type cannot say so.
  const receipt: unknown = view.receipt;
  const payload: JsonObject = {
    statement: answer,
    answer,
    capability,
    capsule: view.id,
    ...(view.executor !== null && { executor: view.executor }),
    ...(isJson(receipt) && { receipt }),
  };
  return {
    actor: `ai:${modelOf(view)}`,
    kind: 'observation',
    action: 'answered',
    target: 'program.md',
    payload,
    untrusted_payload_fields: ['payload.statement', 'payload.answer'],
  };
}

/** The model by its name, else the node that ran it. */
function modelOf({ result, executor, id }: CapsuleView): string {
  if (typeof result === 'object' && result !== null && 'model' in result && typeof result.model === 'string')
    return result.model;
  return executor ?? id;
}
