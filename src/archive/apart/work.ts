import type { ErrorBody } from '../../../protocols/common/v1/errors.ts';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { MeshError, toErrorBody } from '../../lib/errors.ts';
import { nodeArchiveCrypto } from '../crypto/node-crypto.ts';
import { openArchive } from '../open-verified.ts';
import { projectArchive } from '../projection/hydrate.ts';
import { verificationReport } from '../report.ts';
import type { VerifyOptions } from '../types.ts';
import { verifyArchive } from '../verify.ts';

const components = { crypto: nodeArchiveCrypto };

/** Plain data, since it may go to another thread. */
export interface Order {
  /** A report, or messages for a model. */
  job: 'verify' | 'project';
  bytes: Uint8Array;
  options: Pick<VerifyOptions, 'limits' | 'strict'> & { allowlist?: string[] };
  /** Of a projection: what is wanted of the model. */
  task?: string | undefined;
}

/** Plain data, since it may come from another thread. */
export type Answer = { value: JsonObject } | { refused: ErrorBody };

/** Does what is ordered. Refusals are answers; what is thrown is a fault of this library. */
export async function work(order: Order, signal?: AbortSignal): Promise<Answer> {
  const { job, bytes, task } = order;
  const options = { ...order.options, signal };
  try {
    if (job === 'verify')
      return { value: verificationReport(await verifyArchive(components, bytes, options)) };
    const opened = await openArchive(components, bytes, options);
    const { messages, sections, truncated } = await projectArchive(components, opened, { signal, task });
    return { value: { messages, sections, truncated } };
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    return { refused: toErrorBody(error) };
  }
}
