import { hash } from 'node:crypto';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { MeshError } from '../lib/errors.ts';

/** SHA-256 by the address of a file; a folder's own address ends with a slash. */
export interface GuardedFolder {
  url: string;
  files: ReadonlyMap<string, string>;
}

/** By address. As many as the configuration names. */
const folders = new Map<string, GuardedFolder['files']>();
let registered = false;

/**
 * From here on no file of the folder is loaded as code, in this process or thread and however late, but with the bytes that were
 * hashed. A file that was not hashed is not loaded at all.
 */
export function guardLoads({ url, files }: GuardedFolder): void {
  folders.set(url, files);
  if (registered) return;
  registered = true;
  registerHooks({
    load: (address, context, next) => {
      const [path = address] = address.split(/[?#]/, 1);
      const guarded = filesAround(path);
      const loaded = next(address, context);
      if (guarded === undefined) return loaded;
      // The very bytes that were hashed are those that run.
      const { source } = loaded;
      const bytes = typeof source === 'string' ? Buffer.from(source) : toBytes(source);
      if (bytes !== undefined && guarded.get(path) === hash('sha256', bytes)) return loaded;
      throw new MeshError(
        'integrity_lock',
        `${fileURLToPath(path)} is not what it was when the node started.`,
      );
    },
  });
}

function filesAround(path: string): GuardedFolder['files'] | undefined {
  if (!path.startsWith('file:')) return undefined;
  for (const [url, files] of folders) if (path.startsWith(url)) return files;
  return undefined;
}

function toBytes(source: ArrayBuffer | NodeJS.TypedArray | null | undefined): Uint8Array | undefined {
  if (source === null || source === undefined) return undefined;
  return ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source);
}
