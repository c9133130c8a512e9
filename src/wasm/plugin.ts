import { createPlugin, type Plugin, type PluginOutput } from '@extism/extism';
import type { ErrorCode } from '../../protocols/common/v1/errors.ts';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import { MeshError } from '../lib/errors.ts';
import { cutText } from '../lib/text.ts';
import { boundModule } from './bounded.ts';
import { unfit } from './bytes.ts';
import { checkInstructions } from './instructions.ts';
import { checkImports, type HostFunctions, kernelFunctions } from './kernel.ts';
import { PAGE_BYTES } from './limits.ts';
import { readSections } from './sections.ts';

/** Of input and output beside the module's memory, however small that is: the largest result, and room to put it together. */
const MIN_BLOCK_BYTES = 4_194_304;
/** Of what a module, or the engine, says of its failure: the rest of the sentence needs room too. */
const MAX_REASON_CHARS = 300;
/** How Extism begins to tell of an error that the plug-in itself set. */
const SAID = 'Plugin-originated error: ';

export interface CompileInit {
  memoryPages: number;
  /** Names that it may import from `extism:host/user`. */
  user: Pick<HostFunctions['user'], 'has'>;
  /** Whether it may do only what gives the same everywhere. */
  deterministic: boolean;
}

/** A module that was looked through and compiled: any number of runs are made of it. */
export interface CompiledPlugin {
  readonly module: WebAssembly.Module;
  /** Names of exported functions. */
  readonly functions: ReadonlySet<string>;
  readonly memoryPages: number;
}

/** Throws `invalid_payload` or `too_large` with what is wrong. Takes its thread for as long as it takes. */
export function compilePlugin(
  bytes: Uint8Array,
  { memoryPages, user, deterministic }: CompileInit,
): CompiledPlugin {
  const sections = readSections(bytes);
  checkImports(sections, user);
  if (deterministic && sections.code !== null) checkInstructions(sections.code);
  const bounded = boundModule(bytes, sections, memoryPages);
  try {
    // A copy of its own: nobody may write to what is being compiled.
    const module = new WebAssembly.Module(new Uint8Array(bounded));
    return { module, functions: sections.functions, memoryPages };
  } catch (error) {
    throw unfit(`cannot be compiled: ${reasonIn(error)}`);
  }
}

export interface PluginCall {
  /** An exported function. */
  name: string;
  input: string;
  host: HostFunctions;
  /** Of what the module itself does wrong. */
  fault: ErrorCode;
}

/** One run in an instance of its own. Throws what a function of the host threw; else a `MeshError` with the module's fault. */
export async function callPlugin(
  plugin: CompiledPlugin,
  { name, input, host, fault }: PluginCall,
): Promise<Uint8Array> {
  const { module, memoryPages } = plugin;
  if (!plugin.functions.has(name)) throw unfit(`exports no function "${name.slice(0, 64)}"`);
  let running: Plugin | undefined;
  try {
    running = await createPlugin(
      { wasm: [{ module }] },
      {
        useWasi: false,
        runInWorker: false,
        allowedHosts: [],
        allowedPaths: {},
        fetch: noFetch,
        config: Object.assign(Object.create(null), host.config),
        logger: loggerOf(host),
        functions: kernelFunctions(host, Math.max(MIN_BLOCK_BYTES, (memoryPages * PAGE_BYTES) / 2)),
      },
    );
    const output = await running.call(name, input);
    return bytesOf(output, fault);
  } catch (error) {
    if (error instanceof MeshError) throw error;
    const full = running !== undefined && (await pagesOf(running)) === memoryPages;
    throw failureOf(error, fault, full ? memoryPages : null);
  }
}

function bytesOf(output: PluginOutput | null, fault: ErrorCode): Uint8Array {
  if (output === null) throw new MeshError(fault, 'The module gave no output.');
  const bytes = output.bytes();
  if (bytes.length <= LIMITS.resultBytes) return bytes;
  const message = `The module gave ${bytes.length} bytes; ${LIMITS.resultBytes} are allowed.`;
  throw new MeshError('too_large', message);
}

async function pagesOf(plugin: Plugin): Promise<number | null> {
  const { memory } = (await plugin.getInstance()).exports;
  return memory instanceof WebAssembly.Memory ? memory.buffer.byteLength / PAGE_BYTES : null;
}

function failureOf(error: unknown, fault: ErrorCode, fullPages: number | null): MeshError {
  if (fullPages !== null) {
    return new MeshError(
      'too_large',
      `The module failed when its memory of ${fullPages} pages was full: ${reasonIn(error)}.`,
    );
  }
  if (error instanceof WebAssembly.RuntimeError)
    return new MeshError(fault, `The module trapped: ${reasonIn(error)}.`);
  if (error instanceof Error && error.message.startsWith(SAID)) {
    const said = new Error(error.message.slice(SAID.length));
    return new MeshError(fault, `The module says: ${reasonIn(said)}.`);
  }
  return new MeshError(fault, `The module failed: ${reasonIn(error)}.`);
}

/** The first line of an error's message, as part of a sentence. */
function reasonIn(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : '').split('\n', 1);
  return cutText(line.trim(), MAX_REASON_CHARS).replace(/\.$/, '') || 'no reason was given';
}

function loggerOf({ log }: HostFunctions): Console {
  const line = (text: unknown): void => log(String(text));
  return Object.assign(Object.create(console), { debug: () => {}, info: line, warn: line, error: line });
}

const noFetch: typeof fetch = () => Promise.reject(new TypeError('A plug-in has no network.'));
