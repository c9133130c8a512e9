import { verifyArchive } from '../../../archive/verify.ts';
import { MeshError } from '../../../lib/errors.ts';
import { writeWhole } from '../../archive-files.ts';
import type { Cli } from '../../cli.ts';
import { capsuleId } from '../../ids.ts';
import { findNode, type NodeOptions } from '../../target.ts';
import { components } from './open.ts';
import { tellSealed } from './sealed.ts';

export interface WorkflowOptions extends NodeOptions {
  out: string;
  force?: boolean;
}

/** ms: the node reads and signs all that a workflow left behind. */
const SEALING_MS = 300_000;

/** Has the running node seal a workflow; what it sends is verified before anything is written. */
export async function sealWorkflow(
  cli: Cli,
  typed: string,
  recipients: readonly string[],
  options: WorkflowOptions,
): Promise<void> {
  const client = await findNode(cli.io, options);
  const id = await capsuleId(client, typed);
  const query = recipients.map((key) => `recipient=${key}`).join('&');
  const done = await cli.interruptible(
    async (signal) => {
      const path = `/api/workflows/${id}/archive${query === '' ? '' : `?${query}`}`;
      const bytes = await client.download(path, { signal, timeoutMs: SEALING_MS });
      const { ok, failing, manifest, envelope } = await verifyArchive(components, bytes, { signal });
      if (!ok || manifest === null || envelope === null)
        throw new MeshError(
          'unverified_archive',
          `What the node sent does not verify (${failing.join(', ')}); nothing was written.`,
        );
      await writeWhole(options.out, { force: options.force === true }, async (sink) => sink(bytes));
      return { manifest, envelope, size: bytes.length };
    },
    () => 'Interrupted: nothing was written.',
  );
  if (done !== undefined) tellSealed(cli, options, options.out, done);
}
