import { constants, type FileHandle, open } from 'node:fs/promises';
import { MeshError, reasonOf } from '../lib/errors.ts';
import { LayoutError } from './layout-error.ts';
import type { ReusableSource } from './source.ts';

/** A file that is read where it is needed, never as a whole. */
export interface FileSource extends ReusableSource, AsyncDisposable {
  /** Closing twice is fine. */
  close(): Promise<void>;
}

/** Opening a FIFO would otherwise wait for somebody to write into it. */
const READ_WITHOUT_WAITING = constants.O_RDONLY | constants.O_NONBLOCK;

/** Opens a regular file. Throws `usage` where there is none or it cannot be read. */
export async function openFileSource(path: string): Promise<FileSource> {
  try {
    const file = await open(path, READ_WITHOUT_WAITING);
    const found = await file.stat().catch(() => null);
    if (found?.isFile()) return sourceOf(path, file, found.size);
    await file.close();
  } catch (error) {
    throw unreadable(path, error);
  }
  throw new MeshError('usage', `${path} cannot be read (it is not a file).`);
}

function sourceOf(path: string, file: FileHandle, size: number): FileSource {
  const readInto = async (target: Uint8Array<ArrayBuffer>, offset: number): Promise<void> => {
    for (let filled = 0; filled < target.length; ) {
      const reading = file.read(target, filled, target.length - filled, offset + filled);
      const { bytesRead } = await reading.catch((error: unknown) => {
        throw unreadable(path, error);
      });
      if (bytesRead === 0) throw new LayoutError('truncated', `${path} got shorter while it was being read.`);
      filled += bytesRead;
    }
  };
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(length);
    await readInto(bytes, offset);
    return bytes;
  };
  const close = (): Promise<void> => file.close();
  return { size, read, readInto, close, [Symbol.asyncDispose]: close };
}

function unreadable(path: string, error: unknown): MeshError {
  return new MeshError('usage', `${path} cannot be read (${reasonOf(error)}).`);
}
