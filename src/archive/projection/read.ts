import { VerifiedFiles } from '../open-verified.ts';
import type { ArchiveComponents, OpenedArchive } from '../types.ts';

/** The beginning of a file, as text. */
export interface Excerpt {
  text: string;
  /** Of the whole file. */
  bytes: number;
  complete: boolean;
}

/** Reads files of an opened archive for a projection; keeps no more of them than could be shown. */
export class ExcerptReader {
  readonly #files: VerifiedFiles;
  readonly #entries: OpenedArchive['container']['entries'];
  readonly #maxChars: number;
  readonly #signal: AbortSignal | undefined;

  constructor(
    components: ArchiveComponents,
    opened: OpenedArchive,
    limits: { maxChars: number; signal?: AbortSignal | undefined },
  ) {
    this.#files = new VerifiedFiles(components, opened);
    this.#entries = opened.container.entries;
    this.#maxChars = limits.maxChars;
    this.#signal = limits.signal;
  }

  has(path: string): boolean {
    return this.#files.has(path);
  }

  /**
   * Null for a file that is not both in the archive and in its content index. Throws `unverified_archive` where it
   * changed since it was verified.
   */
  async read(path: string): Promise<Excerpt | null> {
    if (!this.has(path)) return null;
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    let text = '';
    const keep = (chunk: Uint8Array) => {
      if (text.length <= this.#maxChars) text += decoder.decode(chunk, { stream: true });
    };
    await this.#files.stream(path, keep, this.#signal);
    if (text.length <= this.#maxChars) text += decoder.decode();
    const complete = text.length <= this.#maxChars;
    const bytes = this.#entries.get(path)?.size ?? 0;
    return { text: complete ? text : text.slice(0, this.#maxChars), bytes, complete };
  }
}
