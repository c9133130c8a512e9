import type { JsonValue } from '../protocols/common/v1/schema.ts';
import type { CapabilityApi, Intent } from '../src/engine/capability.ts';
import { fail } from './fail.ts';

type Handler = (intent: Intent, api: CapabilityApi) => Promise<JsonValue>;

/**
 * A `run` that dispatches on the action. An action belongs to one capability, so that asking and paying for a
 * cheap one cannot run a dear one: elsewhere it is refused with `invalid_payload`.
 */
export function actions(table: Record<string, { capability: string; handler: Handler }>): Handler {
  const byAction = new Map(Object.entries(table));
  return async (intent, api) => {
    const entry = byAction.get(intent.action);
    if (entry?.capability !== intent.capability) {
      throw fail('invalid_payload', `${intent.capability} has no action "${intent.action}".`);
    }
    api.signal.throwIfAborted();
    return entry.handler(intent, api);
  };
}
