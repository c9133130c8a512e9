import { verifyArchive } from '../../../archive/verify.ts';
import { MeshError } from '../../../lib/errors.ts';
import { writeWhole } from '../../archive-files.ts';
import type { Cli } from '../../cli.ts';
import { capsuleId } from '../../ids.ts';
import { findNode } from '../../target.ts';
import { components } from './open.ts';
import type { SealOptions } from './options.ts';
import { tellSealed } from './sealed.ts';

/** ms: the node reads and signs all that a workflow left behind. */
const SEALING_MS = 300_000;

/** Has the running node seal a workflow; what it sends is verified before anything is written. */
export async function sealWorkflow(
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
