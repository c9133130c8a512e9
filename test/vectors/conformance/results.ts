/** One vector, run. */
export interface Outcome {
  /** File the vector comes from, as it was found from the folder that was named. */
  set: string;
  vector: string;
  expected: string;
  got: string;
  passed: boolean;
}

/** Something in a folder that is no vector, or one that asks for what this format does not have. */
export interface Skipped {
  file: string;
  reason: string;
}

/** Collects what a run finds, in order. */
export class Results {
  readonly outcomes: Outcome[] = [];
  readonly skipped: Skipped[] = [];

  add(set: string, vector: string, expected: string, got: string, passed = expected === got): void {
    this.outcomes.push({ set, vector, expected, got, passed });
  }

  skip(file: string, reason: string): void {
    this.skipped.push({ file, reason });
  }

  /** Those whose set or name holds the text. */
  only(text: string): Results {
    const chosen = new Results();
    chosen.outcomes.push(...this.outcomes.filter((o) => o.set.includes(text) || o.vector.includes(text)));
    chosen.skipped.push(...this.skipped.filter(({ file }) => file.includes(text)));
    return chosen;
  }

  get failed(): number {
    return this.outcomes.filter(({ passed }) => !passed).length;
  }

  get passed(): number {
    return this.outcomes.length - this.failed;
  }
}

/** What a thrown value says, for a column of a table. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
