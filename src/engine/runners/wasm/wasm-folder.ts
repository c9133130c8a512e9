import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JsonValue } from '../../../../protocols/common/v1/schema.ts';
import type { CapabilityManifest } from '../../../../protocols/manifest/v1/schema.ts';
import { MeshError } from '../../../lib/errors.ts';
import type { HostFunctions } from '../../../wasm/kernel.ts';
import { jsonOf } from '../../../wasm/output.ts';
import { type CompiledPlugin, callPlugin, compilePlugin } from '../../../wasm/plugin.ts';
import type { CapabilityApi, CapabilityModule, Intent } from '../../capability.ts';
import type { CodeInFolder } from '../runner.ts';
import { functionNames } from './host-functions.ts';
import { wasmOf } from './wasm-of.ts';

/** Called for every intent that has no function of its own. */
const COMMON_FUNCTION = 'run';
/** Bytes of a module in a folder of the operator's: the largest that a language with a runtime of its own comes to. */
const MAX_BYTES = 33_554_432;

export interface WasmFolderInit {
  memoryPages: number;
  /** What the module may call in one run. */
  host: (names: ReadonlySet<string>, api: CapabilityApi) => HostFunctions;
}

/**
 * A folder with a manifest and an Extism plug-in, as a capability. Throws `integrity_lock` where it has changed, and
 * `config_invalid` with what is wrong with it.
 */
export async function loadWasmFolder(code: CodeInFolder, init: WasmFolderInit): Promise<CapabilityModule> {
  const name = wasmOf(code.files.map(([path]) => path));
  if (name === undefined) throw invalid(`${code.folder} has no .wasm`);
  const manifest: CapabilityManifest = JSON.parse(
    (await readTrusted(code, 'manifest.json')).toString('utf8'),
  );
  const names = functionNames(manifest.permissions);
  const plugin = compile(await readTrusted(code, name), { ...init, names, name });
  for (const intent of manifest.intents) {
    if (functionFor(plugin, intent) === undefined) {
      throw invalid(`${name} exports neither "${COMMON_FUNCTION}" nor "${functionName(intent)}"`);
    }
  }
  return { run: (intent, api) => run(plugin, intent, init.host(names, api)) };
}

function compile(
  bytes: Uint8Array,
  { memoryPages, names, name }: { memoryPages: number; names: ReadonlySet<string>; name: string },
): CompiledPlugin {
  if (bytes.length > MAX_BYTES) throw invalid(`${name} has more than ${MAX_BYTES} bytes`);
  try {
    return compilePlugin(bytes, { memoryPages, user: names, deterministic: false });
  } catch (error) {
    const reason = error instanceof MeshError ? error.message.replace(/\.$/, '') : 'it cannot be compiled';
    throw invalid(`${name}: ${reason}`, error);
  }
}

async function run(plugin: CompiledPlugin, intent: Intent, host: HostFunctions): Promise<JsonValue> {
  const own = functionFor(plugin, intent.action) ?? COMMON_FUNCTION;
  const input = JSON.stringify(own === COMMON_FUNCTION ? intent : intent.payload);
  const output = await callPlugin(plugin, { name: own, input, host, fault: 'internal' });
  return jsonOf(output, 'internal');
}

/** The function of an intent's own, which gets the payload; else the common one, which gets the whole intent. */
function functionFor({ functions }: CompiledPlugin, intent: string): string | undefined {
  return [functionName(intent), COMMON_FUNCTION].find((name) => functions.has(name));
}

/** Names of languages have no dots. */
function functionName(intent: string): string {
  return intent.replace(/[^A-Za-z0-9_]/g, '_');
}

async function readTrusted({ folder, files }: CodeInFolder, name: string): Promise<Buffer> {
  const path = join(folder, name);
  const bytes = await readFile(path).catch(() => undefined);
  const known = files.find(([each]) => each === name)?.[1];
  if (bytes !== undefined && hash('sha256', bytes) === known) return bytes;
  throw new MeshError('integrity_lock', `${path} is not what it was when the node started.`);
}

function invalid(problem: string, cause?: unknown): MeshError {
  return new MeshError('config_invalid', `The capability is unusable: ${problem}.`, undefined, { cause });
}
