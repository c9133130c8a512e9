import type { CurrentPlugin } from '@extism/extism';
import { MeshError } from '../lib/errors.ts';
import { unfit } from './bytes.ts';
import type { Sections } from './sections.ts';

/** Where Extism's own functions are imported from, and those of whoever runs the plug-in. */
export const KERNEL = 'extism:host/env';
export const USER = 'extism:host/user';
/** All of them but HTTP: that is the host's to give, if anybody's. */
const KERNEL_FUNCTIONS = new Set([
  ...['input_length', 'input_offset', 'input_load_u8', 'input_load_u64', 'output_set', 'error_set'],
  ...['alloc', 'free', 'length', 'length_unsafe', 'load_u8', 'load_u64', 'store_u8', 'store_u64'],
  ...['config_get', 'var_get', 'var_set', 'log_trace', 'log_debug', 'log_info', 'log_warn', 'log_error'],
  'get_log_level',
]);
/** A block of memory in, a block out. */
const USER_TYPE = '7e:7e';
/** Blocks of memory beside the module's own that one run may ask for. Each costs a few hundred bytes of ours. */
const MAX_BLOCKS = 100_000;

/** What the module may call. */
export interface HostFunctions {
  /** By name: JSON text in, JSON text out; an empty text where the module handed in nothing. */
  readonly user: ReadonlyMap<string, (input: string) => string>;
  /** Settings that it may read. */
  readonly config: Readonly<Record<string, string>>;
  log(line: string): void;
}

export const NO_HOST: HostFunctions = { user: new Map(), config: {}, log: () => {} };

/** Throws `invalid_payload` for an import that is not there. */
export function checkImports({ imports, types }: Sections, user: Pick<HostFunctions['user'], 'has'>): void {
  for (const { from, name, type } of imports) {
    const known = from === KERNEL ? KERNEL_FUNCTIONS.has(name) : from === USER && user.has(name);
    if (!known) throw unfit(`imports "${name}" from "${from}", which is not there`);
    if (from === USER && types[type] !== USER_TYPE)
      throw unfit(`imports "${name}" with another type than (i64) -> i64`);
  }
}

/** The functions that the plug-in gets beside Extism's, and in place of those that know no bound. One set for each run; `maxBytes` are those of all blocks together. */
export function kernelFunctions(host: HostFunctions, maxBytes: number) {
  let blocks = 0;
  let bytes = 0;
  const take = (size: number): void => {
    bytes += size;
    if (++blocks > MAX_BLOCKS || bytes > maxBytes)
      throw new MeshError(
        'too_large',
        'The module asked for more memory for its input and output than it may have.',
      );
  };
  const give = (plugin: CurrentPlugin, text: string): bigint => {
    take(Buffer.byteLength(text));
    return plugin.store(text);
  };
  const env = {
    alloc: (plugin: CurrentPlugin, size: bigint): bigint => {
      take(Number(BigInt.asUintN(64, size)));
      return plugin.alloc(size);
    },
    // The block stays on Extism's list, with nothing in it.
    free: (plugin: CurrentPlugin, address: bigint): void => {
      const buffer = plugin.read(address)?.arrayBuffer();
      if (buffer instanceof ArrayBuffer) {
        bytes -= buffer.byteLength;
        buffer.transfer(0);
      }
    },
    log_trace: (): void => {},
    /** Everything from `info` on. */
    get_log_level: (): number => 2,
  };
  const user = [...host.user].map(([name, call]) => [
    name,
    (plugin: CurrentPlugin, address: bigint): bigint => {
      const input = address === 0n ? null : plugin.read(address);
      return give(plugin, call(input?.text() ?? ''));
    },
  ]);
  return { [KERNEL]: env, [USER]: Object.fromEntries(user) };
}
