import type { JsonObject, JsonValue } from '../../../protocols/common/v1/schema.ts';
import type { CapabilityApi, Intent } from '../../../src/engine/capability.ts';

type Action = (payload: JsonObject, api: CapabilityApi) => Promise<JsonValue>;

const actions = new Map<string, Action>([
  ['echo', async (payload) => payload],
  ['fail', fail],
  ['hang', hang],
  ['count', count],
  ['slow', slow],
]);

export async function run(intent: Intent, api: CapabilityApi): Promise<JsonValue> {
  const action = actions.get(intent.action.replace(/^test\./, ''));
  if (action === undefined) throw new Error(`There is no action ${intent.action}`);
  return action(intent.payload, api);
}

async function fail({ code, message }: JsonObject): Promise<never> {
  throw Object.assign(new Error(String(message ?? 'It failed as it was asked to.')), { code });
}

async function hang({ deaf }: JsonObject, api: CapabilityApi): Promise<never> {
  api.progress({ stage: 'hanging' });
  return new Promise((_resolve, reject) => {
    if (deaf !== true) api.signal.addEventListener('abort', () => reject(new Error('aborted')));
  });
}

async function count({ name }: JsonObject, api: CapabilityApi): Promise<JsonValue> {
  const key = `counter/${typeof name === 'string' ? name : 'default'}`;
  const before = await api.storage.get(key);
  const count = (typeof before === 'number' ? before : 0) + 1;
  await api.storage.put(key, count);
  return { count };
}

async function slow({ steps }: JsonObject, api: CapabilityApi): Promise<JsonValue> {
  const total = typeof steps === 'number' ? steps : 3;
  for (let step = 1; step <= total; step++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    api.signal.throwIfAborted();
    api.progress({ delta: `${step} ` });
  }
  return { steps: total };
}
