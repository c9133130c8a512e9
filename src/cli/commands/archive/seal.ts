import { sealArchive } from '../../../archive/seal/seal.ts';
import type { ArchiveDraft } from '../../../archive/types.ts';
import { verifyArchive } from '../../../archive/verify.ts';
import { MeshError } from '../../../lib/errors.ts';
import { checkOutputs, writeWhole } from '../../archive-files.ts';
import type { Cli } from '../../cli.ts';
import { usage } from '../../failure.ts';
import { capsuleId } from '../../ids.ts';
import { findNode } from '../../target.ts';
import { sealingTime } from './drafts.ts';
import { folderDraft } from './folder.ts';
import { readRecipients } from './keys.ts';
import { components } from './open.ts';
import type { SealOptions } from './options.ts';
import { Progress } from './progress.ts';
import { tellSealed } from './sealed.ts';
import { readSigners } from './signers.ts';

/** ms: the node reads and signs all that a workflow left behind. */
const SEALING_MS = 300_000;
/** What the node decides when it seals a workflow. */
const OF_FOLDERS = ['title', 'author', 'event', 'signer', 'signedSkill', 'exclude', 'at'] as const;

/** Seals a folder or, asking the running node, a workflow. */
export async function seal(cli: Cli, options: SealOptions, directory: string | undefined): Promise<void> {
  if ((directory === undefined) === (options.workflow === undefined))
    throw usage('Name either a folder or --workflow ID.');
  await checkOutputs([options.out], options.force);
  const recipients = await readRecipients(cli.io, options.recipient);
  if (options.workflow !== undefined) {
    const unused = OF_FOLDERS.find((name) => options[name] !== undefined);
    if (unused !== undefined)
      throw usage(
        `--${unused === 'signedSkill' ? 'signed-skill' : unused} is for folders; a workflow is sealed by the node.`,
      );
    return sealWorkflow(cli, options.workflow, recipients, options);
  }
  if (directory === undefined) return;
  const sealedAt = sealingTime(options.at);
  const draft = await folderDraft(cli, directory, options);
  const signers = await readSigners(cli, options);
  const progress = new Progress(cli, 'Sealing', sizeOf(draft));
  progress.add(0);
  const sealed = await cli.interruptible(
    (signal) =>
      writeWhole(options.out, options, (sink) =>
        sealArchive(components, draft, { signers, sealedAt, recipients, signal }, progress.counting(sink)),
      ).finally(() => progress.end()),
    () => 'Interrupted: nothing was written.',
  );
  if (sealed !== undefined) tellSealed(cli, options, options.out, sealed);
}

const sizeOf = ({ payload = [] }: ArchiveDraft): number =>
  payload.reduce(
    (sum, { content }) => sum + (content instanceof Uint8Array ? content.length : content.size),
    0,
  );

/** Has the running node seal a workflow; what it sends is verified before anything is written. */
async function sealWorkflow(
  cli: Cli,
  typed: string,
  recipients: string[],
  options: SealOptions,
): Promise<void> {
  const client = await findNode(cli.io, options);
  const id = await capsuleId(client, typed);
  const done = await cli.interruptible(
    async (signal) => {
      const bytes = await client.request('GET /api/workflows/:id/archive', {
        params: { id },
        query: { recipient: recipients },
        signal,
        timeoutMs: SEALING_MS,
      });
      const { ok, failing, manifest, envelope } = await verifyArchive(components, bytes, { signal });
      if (!ok || manifest === null || envelope === null)
        throw new MeshError(
          'unverified_archive',
          `What the node sent does not verify (${failing.join(', ')}); nothing was written.`,
        );
      await writeWhole(options.out, options, async (sink) => sink(bytes));
      return { manifest, envelope, size: bytes.length };
    },
    () => 'Interrupted: nothing was written.',
  );
  if (done !== undefined) tellSealed(cli, options, options.out, done);
}
