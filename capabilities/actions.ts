import type { JsonValue } from '../protocols/common/v1/schema.ts';
import type { CapabilityApi, Intent } from '../src/engine/capability.ts';
import { fail } from './fail.ts';

type Handler = (intent: Intent, api: CapabilityApi) => Promise<JsonValue>;

/** A `run` that dispatches on the action, with the names of all; one that is not in the table is refused with `invalid_payload`. */
export function actions(table: Record<string, Handler>): Handler & { readonly actions: readonly string[] } {
  const byName = new Map(Object.entries(table));
  const run: Handler = async (intent, api) => {
    const handler = byName.get(intent.action);
    if (handler === undefined) throw fail('invalid_payload', `There is no action "${intent.action}" here.`);
    return handler(intent, api);
  };
  return Object.assign(run, { actions: [...byName.keys()] });
}
