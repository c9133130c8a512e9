import type { ErrorBody } from '../../../protocols/common/v1/errors.ts';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { MeshError, toErrorBody } from '../../lib/errors.ts';
import { nodeArchiveCrypto } from '../crypto/node-crypto.ts';
import { verificationReport } from '../report.ts';
import type { VerifyOptions } from '../types.ts';
import { verifyArchive } from '../verify.ts';

const components = { crypto: nodeArchiveCrypto };

/** Plain data, since it may go to another thread. */
export interface Order {
  bytes: Uint8Array;
  options: Pick<VerifyOptions, 'limits' | 'strict'> & { allowlist?: string[] };
}

/** Plain data, since it may come from another thread. */
export type Answer = { value: JsonObject } | { refused: ErrorBody };

/** Verifies it. Refusals are answers; what is thrown is a fault of this library. */
export async function work({ bytes, options }: Order, signal?: AbortSignal): Promise<Answer> {
  try {
    return { value: verificationReport(await verifyArchive(components, bytes, { ...options, signal })) };
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    return { refused: toErrorBody(error) };
  }
}
