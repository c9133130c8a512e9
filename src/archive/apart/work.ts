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
  try {
    return { value: await answerTo(order, signal) };
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    return { refused: toErrorBody(error) };
  }
}

async function answerTo({ job, bytes, options, task }: Order, signal?: AbortSignal): Promise<JsonObject> {
  const opening = { ...options, signal };
  if (job === 'verify') return verificationReport(await verifyArchive(components, bytes, opening));
  const opened = await openArchive(components, bytes, opening);
  const { messages, sections, truncated } = await projectArchive(components, opened, { signal, task });
  return { messages, sections, truncated };
}
