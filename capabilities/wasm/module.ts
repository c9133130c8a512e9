import { createHash } from 'node:crypto';
import type { JsonObject, JsonValue } from '../../protocols/common/v1/schema.ts';
import type { CapabilityApi, Intent } from '../../src/engine/capability.ts';
import { NO_HOST } from '../../src/wasm/kernel.ts';
import { MAX_MODULE_BYTES } from '../../src/wasm/limits.ts';
import { allows, limitsOf, type RunLimits, readSettings } from '../../src/wasm/order.ts';
import { jsonOf, textOf } from '../../src/wasm/output.ts';
import { type CompiledPlugin, callPlugin, compilePlugin } from '../../src/wasm/plugin.ts';
import { fail } from '../fail.ts';
import { requiredString, stringOf } from '../payload.ts';

/** Whatever a module does wrong, it does everywhere: nobody is to try it elsewhere. */
const FAULT = 'invalid_payload';
const DEFAULT_FUNCTION = 'run';
/** Modules that stay compiled in one thread; each may take some megabytes. */
const MAX_COMPILED = 8;

/** By hash and pages of memory, the last used last. */
const compiled = new Map<string, CompiledPlugin>();

/** Throws `invalid_payload` for a module that is wrong or goes wrong, `permission_denied` for one that may not run here. */
export async function runModule({ payload }: Intent, api: CapabilityApi): Promise<JsonValue> {
  const settings = readSettings(api.config);
  const limits = limitsOf(payload, settings);
  const bytes = moduleOf(payload);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (!allows(settings.allow, { sha256, signer: api.identity.origin }))
    throw fail('permission_denied', `The module ${sha256} may not run here: the operator allows others.`);
  const name = stringOf(payload, 'function') ?? DEFAULT_FUNCTION;
  const record = (memoryPages: number | null): void =>
    api.recordExecution({ wasm: { sha256, function: name, limits, memoryPages } });
  // Before the run, which may be killed.
  record(null);
  const plugin = compile(bytes, sha256, limits);
  const call = { name, input: inputOf(payload), host: NO_HOST, fault: FAULT } as const;
  const { output, memoryPages } = await callPlugin(plugin, call);
  record(memoryPages);
  return payload.answer === 'text' ? { text: textOf(output, FAULT) } : { output: jsonOf(output, FAULT) };
}

function moduleOf(payload: JsonObject): Uint8Array {
  const text = requiredString(payload, 'module');
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw fail('invalid_payload', '"module" is not base64.');
  if (bytes.length <= MAX_MODULE_BYTES) return bytes;
  throw fail('too_large', `The module has ${bytes.length} bytes; ${MAX_MODULE_BYTES} are allowed.`);
}

function compile(bytes: Uint8Array, sha256: string, { memoryPages }: RunLimits): CompiledPlugin {
  const key = `${sha256} ${memoryPages}`;
  const known = compiled.get(key);
  const plugin = known ?? compilePlugin(bytes, { memoryPages, user: NO_HOST.user, deterministic: true });
  compiled.delete(key);
  compiled.set(key, plugin);
  const [oldest = key] = compiled.keys();
  if (compiled.size > MAX_COMPILED) compiled.delete(oldest);
  return plugin;
}

/** A text as it is, else JSON. */
function inputOf(payload: JsonObject): string {
  const text = stringOf(payload, 'text');
  if (text !== undefined) return text;
  return payload.input === undefined ? '' : JSON.stringify(payload.input);
}
