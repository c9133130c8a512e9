/** One measured number and its goal, of which there is exactly one kind. */
export interface Figure {
  name: string;
  value: number;
  atMost?: number;
  atLeast?: number;
  /** The two numbers behind a ratio. */
  detail?: string;
}

/** A table for people and, as its last line or alone, one JSON document for programs. */
export function report(figures: readonly Figure[], options: { json: boolean }): string {
  const rows = figures.map((figure) => ({ ...figure, met: isMet(figure) }));
  const json = JSON.stringify({ figures: rows });
  if (options.json) return `${json}\n`;
  const width = Math.max(...rows.map(({ name }) => name.length));
  const lines = rows.map((row) => {
    const goal = row.atMost === undefined ? `≥ ${row.atLeast}` : `≤ ${row.atMost}`;
    const detail = row.detail === undefined ? '' : `  (${row.detail})`;
    return `${row.name.padEnd(width)}  ${row.value.toFixed(2).padStart(8)}  ${goal.padEnd(7)} ${row.met ? 'met' : 'MISSED'}${detail}`;
  });
  return `${lines.join('\n')}\n${json}\n`;
}

function isMet({ value, atMost, atLeast }: Figure): boolean {
  return (atMost === undefined || value <= atMost) && (atLeast === undefined || value >= atLeast);
}
