import { createHash } from 'node:crypto';

/** Lines kept of the capsules that are watched; the newest say most about a violation. */
const KEPT_LINES = 400;

/** What happened, as one hash over everything, and in words for the capsules that are watched. */
export class Trace {
  readonly #hash = createHash('sha256');
  readonly #watched: ReadonlySet<string>;
  readonly #lines: string[] = [];

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

  say(at: number, line: string): void {
    this.#lines.push(`${(at / 1000).toFixed(3).padStart(10)} s  ${line}`);
    if (this.#lines.length > KEPT_LINES) this.#lines.shift();
  }

  lines(): readonly string[] {
    return this.#lines;
  }

  digest(): string {
    return this.#hash.copy().digest('hex').slice(0, 16);
  }
}
