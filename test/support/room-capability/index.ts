import type { JsonObject, JsonValue } from '../../../protocols/common/v1/schema.ts';
import type { CapabilityApi, Intent } from '../../../src/engine/capability.ts';

/* Imports nothing but types, so that a copy of this folder runs anywhere. */

type Deed = (payload: JsonObject, api: CapabilityApi, intent: Intent) => Promise<unknown>;

let earlier: CapabilityApi | undefined;

const deeds = new Map<string, Deed>([
  ['echo', async (payload) => payload],
  ['intent', async (_payload, _api, intent) => ({ ...intent, frozen: isFrozen(intent) })],
  ['config', async (_payload, api) => ({ config: api.config, now: api.now(), frozen: isFrozen(api.config) })],
  ['fail', async ({ code, message }) => Promise.reject(Object.assign(new Error(String(message)), { code }))],
  ['throw', async () => Promise.reject(new TypeError('secret'))],
  ['storage', storage],
  ['put', async ({ value }, api) => api.storage.put('key', value ?? null).then(() => 'put')],
  [
    'fetch',
    async ({ url }, api) => ({ ...(await api.network.fetch(String(url), { method: 'POST', body: 'b' })) }),
  ],
  ['webhook', async ({ name }, api) => ({ ...(await api.network.webhook(String(name), { body: 'hook' })) })],
  ['models', models],
  ['seal', seal],
  ['identity', async (_payload, api) => ({ ...api.identity })],
  ['log', async (_payload, api) => api.log('a line', { with: 'context' })],
  ['touch', touch],
  ['stream', stream],
  ['hang', hang],
  ['late', late],
  ['requests', requests],
  // What has no good end.
  ['none', async () => undefined],
  ['bigint', async () => ({ value: 1n })],
  ['date', async () => ({ value: new Date(0) })],
  ['nan', async () => ({ value: Number.NaN })],
  ['circle', circle],
  ['large', async () => 'x'.repeat(2_000_000)],
  ['vast', async () => 'x'.repeat(20_000_000)],
  ['block', block],
  ['timer', timer],
  ['floating', floating],
  ['exit', async () => process.exit(7)],
  ['heap', heap],
  ['buffers', buffers],
  ['print', print],
  ['environment', async () => ({ ...process.env })],
  ['raw', raw],
]);

export async function run(intent: Intent, api: CapabilityApi): Promise<JsonValue> {
  const deed = deeds.get(String(intent.payload.do));
  if (deed === undefined) throw new Error('There is no such deed.');
  const result = await deed(intent.payload, api, intent);
  // Whatever it is: that is the point.
  return result as JsonValue;
}

function isFrozen(value: unknown): boolean {
  return (
    typeof value !== 'object' ||
    value === null ||
    (Object.isFrozen(value) && Object.values(value).every(isFrozen))
  );
}

async function storage({ name }: JsonObject, { storage }: CapabilityApi): Promise<JsonValue> {
  const key = `deed/${name}`;
  const before = (await storage.get(key)) ?? null;
  await storage.put(key, { name: name ?? null });
  await storage.put('deed/gone', 1);
  await storage.delete('deed/gone');
  return { before, after: (await storage.get(key)) ?? null, keys: await storage.list({ prefix: 'deed/' }) };
}

async function models({ model = 'm' }: JsonObject, api: CapabilityApi): Promise<unknown> {
  const deltas: string[] = [];
  const messages = [{ role: 'user' as const, content: 'Hello' }];
  const { text, execution } = await api.models.chat({ model: String(model), messages }, (delta, thinking) =>
    deltas.push(thinking ? `(${delta})` : delta),
  );
  api.recordExecution(execution);
  const { embeddings } = await api.models.embed({ model: 'm', input: ['a', 'b'] });
  const [first] = await api.models.list();
  return { text, deltas, embeddings, first };
}

async function seal({ message }: JsonObject, api: CapabilityApi): Promise<JsonValue> {
  const signature = await api.seal.sign('originator', new TextEncoder().encode(String(message)));
  return { key: api.seal.publicKey, bytes: signature.length, isBytes: signature instanceof Uint8Array };
}

/** Whether a namespace throws as it is touched, and what. */
async function touch({ name }: JsonObject, api: CapabilityApi): Promise<JsonValue> {
  const touches = new Map<unknown, () => unknown>([
    ['storage', () => api.storage],
    ['network', () => api.network],
    ['models', () => api.models],
    ['seal', () => api.seal],
    ['progress', () => api.progress({ delta: 'x' })],
    ['log', () => api.log('x')],
    ['identity', () => api.identity],
  ]);
  try {
    touches.get(name)?.();
    return 'nothing thrown';
  } catch (error) {
    return { code: codeOf(error), message: error instanceof Error ? error.message : null };
  }
}

async function stream({ times, delta, stages }: JsonObject, { progress }: CapabilityApi): Promise<JsonValue> {
  for (let time = 0; time < Number(times); time++) {
    if (stages === true) progress({ stage: `stage ${time}` });
    progress({ delta: typeof delta === 'string' ? delta : String(time % 10) });
  }
  return { times: Number(times) };
}

function hang({ deaf }: JsonObject, { progress, signal }: CapabilityApi): Promise<never> {
  progress({ stage: 'begun' });
  return new Promise((_resolve, reject) => {
    if (deaf !== true) signal.addEventListener('abort', () => reject(new Error('aborted')));
  });
}

/** Uses the API of the call before. */
async function late(_payload: JsonObject, api: CapabilityApi): Promise<JsonValue> {
  const used = earlier;
  earlier = api;
  if (used === undefined) return 'first';
  const threw = (work: () => unknown): string => {
    try {
      work();
      return 'nothing thrown';
    } catch (error) {
      return codeOf(error);
    }
  };
  const held = threw(() => used.storage);
  const line = threw(() => used.log('late'));
  const streamed = threw(() => used.progress({ delta: 'late' }));
  return { held, line, streamed };
}

/** Many at once. */
async function requests({ times }: JsonObject, { storage }: CapabilityApi): Promise<JsonValue> {
  const keys = Array.from({ length: Number(times) }, (_, index) => `many/${index}`);
  await Promise.all(keys.map((key) => storage.put(key, key)));
  const values = await Promise.all(keys.map((key) => storage.get(key)));
  return { same: values.every((value, index) => value === keys[index]) };
}

async function circle(): Promise<unknown> {
  const value: Record<string, unknown> = {};
  value.self = value;
  return value;
}

async function block(_payload: JsonObject, { progress }: CapabilityApi): Promise<never> {
  progress({ stage: 'begun' });
  // The stage leaves first.
  await new Promise<void>((resolve) => setTimeout(resolve, 20));
  for (;;);
}

async function timer(): Promise<never> {
  setTimeout(() => {
    throw new Error('secret');
  });
  return new Promise(() => {});
}

async function floating({ answer }: JsonObject): Promise<unknown> {
  void Promise.reject(new Error('secret'));
  return answer === true ? 'answered' : new Promise(() => {});
}

async function heap(): Promise<never> {
  const held: unknown[] = [];
  for (;;) held.push(new Array(100_000).fill({}).map(() => ({ more: Math.random() })));
}

async function buffers(): Promise<never> {
  const held: Uint8Array[] = [];
  for (;;) {
    held.push(new Uint8Array(8_000_000).fill(1));
    await new Promise<void>((resolve) => setTimeout(resolve, 5));
  }
}

async function print({ times }: JsonObject): Promise<JsonValue> {
  for (let time = 0; time < Number(times); time++) {
    process.stdout.write('from a capability\n');
    process.stderr.write('from a capability\n');
  }
  return 'printed';
}

/** Goes behind the API's back. */
async function raw({ texts, times, stay }: JsonObject): Promise<unknown> {
  const { parentPort } = await import('node:worker_threads');
  const send = (text: string): void => {
    if (parentPort !== null) parentPort.postMessage(text);
    else process.send?.(text);
  };
  const given = Array.isArray(texts) ? texts.map(String) : [];
  for (let time = 0; time < Number(times ?? 1); time++) for (const text of given) send(text);
  return stay === true ? new Promise(() => {}) : 'said';
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'none';
}
