import { MeshError } from '../lib/errors.ts';
import type { ArchiveComponents, OpenedArchive } from './types.ts';
import { streamEntry } from './zip/content.ts';

/** The beginning of a file, as text. */
export interface Excerpt {
  text: string;
  /** Of the whole file. */
  bytes: number;
  complete: boolean;
}

/** Reads files of an opened archive for a projection; keeps no more of them than could be shown. */
export class ExcerptReader {
  readonly #components: ArchiveComponents;
  readonly #opened: OpenedArchive;
  readonly #maxChars: number;
  readonly #signal: AbortSignal | undefined;
  readonly #hashes: ReadonlyMap<string, string>;

  constructor(
    components: ArchiveComponents,
    opened: OpenedArchive,
    limits: { maxChars: number; signal?: AbortSignal | undefined },
  ) {
    this.#components = components;
    this.#opened = opened;
    this.#maxChars = limits.maxChars;
    this.#signal = limits.signal;
    this.#hashes = new Map(opened.manifest.content_index.files.map(({ path, sha256 }) => [path, sha256]));
  }

  has(path: string): boolean {
    return this.#hashes.has(path) && this.#opened.container.entries.has(path);
  }

  /**
   * Null for a file that is not both in the archive and in its content index. Hashed once more on the way: a file on
   * disk may have changed since it was verified. Throws `unverified_archive` then.
   */
  async read(path: string): Promise<Excerpt | null> {
    const expected = this.#hashes.get(path);
    const entry = this.#opened.container.entries.get(path);
    if (expected === undefined || entry === undefined) return null;
    const hasher = this.#components.crypto.hasher();
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    let text = '';
    const keep = (chunk: Uint8Array) => {
      hasher.update(chunk);
      if (text.length <= this.#maxChars) text += decoder.decode(chunk, { stream: true });
    };
    await streamEntry(this.#components, this.#opened.container, entry, keep, this.#signal);
    if (hasher.digestHex() !== expected)
      throw new MeshError('unverified_archive', 'The archive changed after it was verified.');
    if (text.length <= this.#maxChars) text += decoder.decode();
    const complete = text.length <= this.#maxChars;
    return { text: complete ? text : text.slice(0, this.#maxChars), bytes: entry.size, complete };
  }
}
