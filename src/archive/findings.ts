import type { LayoutError } from './layout-error.ts';
import { AREAS, type Area, type Finding } from './types.ts';

/** More would tell nobody more, and a hostile chain could ask for millions. */
const MAX_FINDINGS = 1_000;
const MAX_SHOWN_CHARS = 80;

/** Takes findings one by one: who checks something never holds more of them than will be listed. */
export type Report = (finding: Finding) => void;

/** Somebody else's words of whatever length, in a sentence. */
export const quoted = (text: string): string => JSON.stringify(text.slice(0, MAX_SHOWN_CHARS));

/** A sentence without its full stop. */
export const clause = (sentence: string): string => sentence.replace(/\.$/, '');

export function layoutFinding({ reason, message, path }: LayoutError): Finding {
  return { area: 'layout', reason, message: clause(message), ...(path !== null && { path }) };
}

/** What was found, in the order it was found, bounded; which areas failed is never lost. */
export class Findings {
  readonly list: Finding[] = [];
  readonly #areas = new Set<Area>();
  #left = 0;

  add(finding: Finding): void {
    this.#areas.add(finding.area);
    if (this.list.length < MAX_FINDINGS) this.list.push(finding);
    else this.#left += 1;
  }

  get none(): boolean {
    return this.#areas.size === 0;
  }

  failing(): Area[] {
    return AREAS.filter((area) => this.#areas.has(area));
  }

  /** A sentence about what is not listed, or null. */
  omitted(): string | null {
    return this.#left === 0 ? null : `${String(this.#left)} more findings are not listed.`;
  }
}
