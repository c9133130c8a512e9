import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { projectApart, verifyApart } from '../../src/archive/apart/apart.ts';
import type { CapabilityApi, Intent } from '../../src/engine/capability.ts';
import { stringOf } from '../payload.ts';
import { archiveIn, stringsOf, WORK_LIMITS } from './bytes.ts';

/** A second opinion on an archive. */
export async function verify({ payload }: Intent, { signal }: CapabilityApi): Promise<JsonObject> {
  const strict = payload.strict === true;
  return verifyApart(archiveIn(payload), { ...optionsOf(payload, signal), strict });
}

/** Of a plain archive: no key to open an encrypted one ever comes with an order. */
export async function hydrate({ payload }: Intent, { signal }: CapabilityApi): Promise<JsonObject> {
  const task = stringOf(payload, 'task');
  return projectApart(archiveIn(payload), {
    ...optionsOf(payload, signal),
    ...(task !== undefined && { task }),
  });
}

function optionsOf(payload: JsonObject, signal: AbortSignal) {
  const allowlist = stringsOf(payload, 'allowlist');
  return { limits: WORK_LIMITS, signal, ...(allowlist !== undefined && { allowlist }) };
}
