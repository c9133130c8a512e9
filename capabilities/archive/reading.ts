import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { nodeArchiveCrypto } from '../../src/archive/crypto/node-crypto.ts';
import { openArchive } from '../../src/archive/open-verified.ts';
import { projectArchive } from '../../src/archive/projection/hydrate.ts';
import { verificationReport } from '../../src/archive/report.ts';
import { verifyArchive } from '../../src/archive/verify.ts';
import type { CapabilityApi, Intent } from '../../src/engine/capability.ts';
import { stringOf } from '../payload.ts';
import { archiveIn, stringsOf, WORK_LIMITS } from './bytes.ts';

/* A thread of the node's to itself, bounded in time and memory, is where this runs: the worst archive stops nothing else. */

const components = { crypto: nodeArchiveCrypto };

/** A second opinion on an archive. */
export async function verify({ payload }: Intent, { signal }: CapabilityApi): Promise<JsonObject> {
  const strict = payload.strict === true;
  const options = { ...optionsOf(payload, signal), strict };
  return verificationReport(await verifyArchive(components, archiveIn(payload), options));
}

/** Of a plain archive: no key to open an encrypted one ever comes with an order. */
export async function hydrate({ payload }: Intent, { signal }: CapabilityApi): Promise<JsonObject> {
  const task = stringOf(payload, 'task');
  const opened = await openArchive(components, archiveIn(payload), optionsOf(payload, signal));
  const { messages, sections, truncated } = await projectArchive(components, opened, {
    signal,
    ...(task !== undefined && { task }),
  });
  return {
    messages: messages.map((message) => ({ ...message })),
    sections: sections.map((section) => ({ ...section })),
    truncated,
  };
}

function optionsOf(payload: JsonObject, signal: AbortSignal) {
  const allowlist = stringsOf(payload, 'allowlist');
  return { limits: WORK_LIMITS, signal, ...(allowlist !== undefined && { allowlist }) };
}
