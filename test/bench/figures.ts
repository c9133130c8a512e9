/** One measured number and its goal, of which there is exactly one kind. */
export interface Figure {
  name: string;
  value: number;
  atMost?: number;
  atLeast?: number;
  /** The two numbers behind a ratio. */
  detail?: string;
}

/** A table that ends with how many goals are met and which are not; with `json` one document for programs. */
export function report(figures: readonly Figure[], options: { json: boolean }): string {
  const rows = figures.map((figure) => ({ ...figure, met: isMet(figure) }));
  if (options.json) return `${JSON.stringify({ figures: rows })}\n`;
  const width = Math.max(...rows.map(({ name }) => name.length));
  const lines = rows.map((row) => {
    const goal = row.atMost === undefined ? `≥ ${row.atLeast}` : `≤ ${row.atMost}`;
    const detail = row.detail === undefined ? '' : `  (${row.detail})`;
    return `${row.name.padEnd(width)}  ${row.value.toFixed(2).padStart(8)}  ${goal.padEnd(7)} ${row.met ? 'met' : 'MISSED'}${detail}`;
  });
  const missed = rows.filter(({ met }) => !met).map(({ name }) => `  ${name}`);
  const sum = `${rows.length - missed.length} of ${rows.length} goals met`;
  const ending = missed.length === 0 ? `${sum}.` : [`${sum}; missed:`, ...missed].join('\n');
  return `${lines.join('\n')}\n\n${ending}\n`;
}

function isMet({ value, atMost, atLeast }: Figure): boolean {
  return (atMost === undefined || value <= atMost) && (atLeast === undefined || value >= atLeast);
}
