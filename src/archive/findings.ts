import { AREAS, type Area, type Finding } from './types.ts';

/** More would tell nobody more, and a hostile chain could ask for millions. */
const MAX_FINDINGS = 1_000;

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

  addAll(findings: Iterable<Finding>): void {
    for (const finding of findings) this.add(finding);
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
