import { hash } from 'node:crypto';
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
const FAULT = 'invalid_payload' as const;
const DEFAULT_FUNCTION = 'run';
/** Modules that stay in one thread as they were read and compiled; each takes some megabytes. */
const MAX_KNOWN = 8;

interface KnownModule {
  readonly bytes: Uint8Array;
  readonly sha256: string;
  /** For as much memory as it had last. */
  plugin?: CompiledPlugin;
}

/** By their base64, the last used last. */
const known = new Map<string, KnownModule>();

/** Throws `invalid_payload` for a module that is wrong or goes wrong, `permission_denied` for one that may not run here. */
export async function runModule({ payload }: Intent, api: CapabilityApi): Promise<JsonValue> {
  const settings = readSettings(api.config);
  const limits = limitsOf(payload, settings);
  const module = knownModule(requiredString(payload, 'module'));
  const { sha256 } = module;
  if (!allows(settings.allow, sha256, () => api.identity.origin))
    throw fail('permission_denied', `The module ${sha256} may not run here: the operator allows others.`);
  const name = stringOf(payload, 'function') ?? DEFAULT_FUNCTION;
  // Before the run, which may be killed.
  api.recordExecution({ wasm: { sha256, function: name, limits } });
  const plugin = compile(module, limits);
  const output = await callPlugin(plugin, { name, input: inputOf(payload), host: NO_HOST, fault: FAULT });
  return payload.answer === 'text' ? { text: textOf(output, FAULT) } : { output: jsonOf(output, FAULT) };
}

function knownModule(text: string): KnownModule {
  const module = known.get(text) ?? readModule(text);
  known.delete(text);
  known.set(text, module);
  const [oldest = text] = known.keys();
  if (known.size > MAX_KNOWN) known.delete(oldest);
  return module;
}

function readModule(text: string): KnownModule {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw fail('invalid_payload', '"module" is not base64.');
  if (bytes.length <= MAX_MODULE_BYTES) return { bytes, sha256: hash('sha256', bytes) };
  throw fail('too_large', `The module has ${bytes.length} bytes; ${MAX_MODULE_BYTES} are allowed.`);
}

function compile(module: KnownModule, { memoryPages }: RunLimits): CompiledPlugin {
  if (module.plugin?.memoryPages !== memoryPages) {
    const init = { memoryPages, user: NO_HOST.user, deterministic: true };
    module.plugin = compilePlugin(module.bytes, init);
  }
  return module.plugin;
}

/** A text as it is, else JSON. */
function inputOf(payload: JsonObject): string {
  const text = stringOf(payload, 'text');
  if (text !== undefined) return text;
  return payload.input === undefined ? '' : JSON.stringify(payload.input);
}
