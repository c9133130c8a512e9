import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { nodeArchiveCrypto } from '../../src/archive/crypto-node.ts';
import { projectArchive } from '../../src/archive/hydrate.ts';
import { openArchive } from '../../src/archive/open.ts';
import { verificationReport } from '../../src/archive/report.ts';
import type { VerifyOptions } from '../../src/archive/types.ts';
import { verifyArchive } from '../../src/archive/verify.ts';
import type { CapabilityApi, Intent } from '../../src/engine/capability.ts';
import { stringOf } from '../payload.ts';
import { archiveIn, stringsOf, WORK_LIMITS } from './bytes.ts';

const components = { crypto: nodeArchiveCrypto };

/** A second opinion on an archive. */
export async function verify({ payload }: Intent, { signal }: CapabilityApi): Promise<JsonObject> {
  const verification = await verifyArchive(components, archiveIn(payload), {
    ...optionsOf(payload, signal),
    strict: payload.strict === true,
  });
  return verificationReport(verification);
}

/** Of a plain archive: no key to open an encrypted one ever comes with an order. */
export async function hydrate({ payload }: Intent, { signal }: CapabilityApi): Promise<JsonObject> {
  const opened = await openArchive(components, archiveIn(payload), optionsOf(payload, signal));
  const task = stringOf(payload, 'task');
  const options = { signal, ...(task !== undefined && { task }) };
  const { messages, sections, truncated } = await projectArchive(components, opened, options);
  return {
    messages: messages.map((message) => ({ ...message })),
    sections: sections.map((section) => ({ ...section })),
    truncated,
  };
}

function optionsOf(payload: JsonObject, signal: AbortSignal): VerifyOptions {
  const allowlist = stringsOf(payload, 'allowlist');
  return { limits: WORK_LIMITS, signal, ...(allowlist !== undefined && { allowlist }) };
}
