import type { JsonObject, JsonValue } from '../../../../protocols/common/v1/schema.ts';
import { abortError } from '../../../lib/abort.ts';
import { MeshError } from '../../../lib/errors.ts';
import { isObject } from '../../../lib/json.ts';
import type { HostFunctions } from '../../../wasm/kernel.ts';
import type { CapabilityApi } from '../../capability.ts';
import { describeFailure } from '../../failure.ts';
import type { GuestRun } from '../guest-run.ts';

/** The node's messages to this thread, for code that gives the loop no turn. */
export interface Mail {
  /** Takes all that are there. */
  drain(): void;
  /** Takes one, as soon as it is there. */
  wait(): void;
}

type Answer = (body: JsonObject, calls: Calls) => JsonValue | undefined;

interface Calls {
  readonly api: CapabilityApi;
  readonly run: GuestRun;
  readonly mail: Mail;
}

/** By name: the permission that it is there with, and what it does. Parameters and results are those of the API, as JSON. */
const FUNCTIONS: readonly (readonly [name: string, permission: string | null, answer: Answer])[] = [
  ['now', null, (_body, { api }) => api.now()],
  ['config', null, (_body, { api }) => api.config],
  ['identity', 'identity', (_body, { api }) => ({ ...api.identity })],
  ['progress', 'progress', progress],
  ['log', 'log', log],
  ['storage_get', 'storage', asking('storage.get')],
  ['storage_put', 'storage', asking('storage.put')],
  ['storage_delete', 'storage', asking('storage.delete')],
  ['storage_list', 'storage', asking('storage.list')],
  ['network_fetch', 'network', asking('network.fetch')],
  ['network_webhook', 'network', asking('network.webhook')],
  ['models_list', 'models', asking('models.list')],
  ['models_chat', 'models', (body, calls) => ask('models.chat', { ...body, stream: false }, calls)],
  ['models_embed', 'models', asking('models.embed')],
  ['seal_sign', 'seal', asking('seal.sign')],
];

/** Which of them a module with these permissions may import. */
export function functionNames(permissions: readonly string[]): ReadonlySet<string> {
  const parts = new Set(permissions.map((permission) => permission.split(':', 1)[0]));
  const there = FUNCTIONS.filter(([, permission]) => permission === null || parts.has(permission));
  return new Set(there.map(([name]) => name));
}

/** For one run. */
export function hostFunctions(names: ReadonlySet<string>, calls: Calls): HostFunctions {
  const there = FUNCTIONS.filter(([name]) => names.has(name));
  const user = there.map(
    ([name, , answer]) => [name, (input: string) => answered(answer, input, calls)] as const,
  );
  const config = Object.entries(calls.api.config).map(
    ([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)] as const,
  );
  return {
    user: new Map(user),
    config: Object.fromEntries(config),
    log: (line) => {
      if (names.has('log')) log({ message: line }, calls);
    },
  };
}

/** `{"value": …}`, or `{"error": {code, message}}` that the module may deal with. A cancellation ends the run. */
function answered(answer: Answer, input: string, calls: Calls): string {
  try {
    const value = answer(bodyOf(input), calls);
    return JSON.stringify(value === undefined ? {} : { value });
  } catch (error) {
    if (calls.run.signal.aborted) throw abortError(calls.run.signal);
    const { code, message } = describeFailure(error);
    return JSON.stringify({ error: { code, message } });
  }
}

function bodyOf(input: string): JsonObject {
  if (input === '') return {};
  let body: JsonValue;
  try {
    body = JSON.parse(input);
  } catch {
    throw new MeshError('invalid_request', 'What was handed in is not JSON.');
  }
  if (isObject(body)) return body;
  throw new MeshError('invalid_request', 'What was handed in is no JSON object.');
}

function asking(request: string): Answer {
  return (body, calls) => ask(request, body, calls);
}

function ask(request: string, body: JsonObject, { run, mail }: Calls): JsonValue | undefined {
  let end: { value: JsonValue | undefined } | { error: unknown } | undefined;
  run.ask(request, body, {
    resolve: (value) => (end = { value }),
    reject: (error) => (end = { error }),
    onDelta: undefined,
  });
  while (end === undefined) {
    mail.wait();
    if (run.signal.aborted) throw abortError(run.signal);
  }
  if ('error' in end) throw end.error;
  return end.value;
}

function progress({ delta, stage }: JsonObject, calls: Calls): undefined {
  calls.api.progress({
    ...(typeof delta === 'string' && { delta }),
    ...(typeof stage === 'string' && { stage }),
  });
  settle(calls);
}

function log({ message, context }: JsonObject, calls: Calls): undefined {
  calls.api.log(String(message ?? ''), isObject(context) ? context : undefined);
  settle(calls);
}

/** Waits until the node has taken what was said: it gives credit by messages, for which the loop has no turn. */
function settle({ run, mail }: Calls): void {
  mail.drain();
  while (!run.isSaid && !run.signal.aborted) mail.wait();
  if (run.signal.aborted) throw abortError(run.signal);
}
