import { createHash } from 'node:crypto';

/** Lines kept of the capsules that are watched; the newest say most about a violation. */
const KEPT_LINES = 400;

/** What happened, as one hash over everything, and in words for the capsules that are watched. */
export class Trace {
  readonly #hash = createHash('sha256');
  readonly #watched: ReadonlySet<string>;
  readonly #lines: { text: string; node: string | null }[] = [];

  constructor(watched: readonly string[] = []) {
    this.#watched = new Set(watched);
  }

  get isWatching(): boolean {
    return this.#watched.size > 0;
  }

  watches(capsuleId: string): boolean {
    return this.#watched.has(capsuleId);
  }

  /** Takes part in the hash, so it must be the same whether or not anything is watched. */
  note(...parts: (string | number | Uint8Array)[]): void {
    for (const part of parts) this.#hash.update(typeof part === 'number' ? `${part},` : part);
  }

  /** Of a capsule that is watched, or of the node that is named. */
  say(at: number, line: string, node: string | null = null): void {
    this.#lines.push({ text: `${(at / 1000).toFixed(3).padStart(10)} s  ${line}`, node });
    if (this.#lines.length > KEPT_LINES) this.#lines.shift();
  }

  /** Up to the last of a watched capsule; of the nodes, only those that had to do with one. */
  lines(): string[] {
    const last = this.#lines.findLastIndex(({ node }) => node === null);
    const told = this.#lines.filter(({ node }) => node === null).map(({ text }) => `${text} `);
    const concerns = (node: string): boolean => told.some((text) => new RegExp(`${node}\\b`).test(text));
    return this.#lines
      .slice(0, last + 1)
      .filter(({ node }) => node === null || concerns(node))
      .map(({ text }) => text);
  }

  digest(): string {
    return this.#hash.copy().digest('hex').slice(0, 16);
  }
}
