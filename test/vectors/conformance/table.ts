import type { Results } from './results.ts';

/** Hashes and canonical bytes are longer than any screen; both ends of what differs are told in full by --json. */
const MAX_CELL_CHARS = 60;

/** One row a vector, then what was skipped, then `N passed, N failed`. */
export function table({ outcomes, skipped, passed, failed }: Results): string {
  const rows = [
    ['set', 'vector', 'expected', 'got', ''],
    ...outcomes.map((o) => [o.set, o.vector, o.expected, o.got, o.passed ? 'PASS' : 'FAIL']),
  ].map((row) => row.map(cell));
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = rows.map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const left = skipped.map(({ file, reason }) => `skipped ${file}: ${reason}`);
  return [...lines, ...left, `${String(passed)} passed, ${String(failed)} failed`, ''].join('\n');
}

function cell(text: string): string {
  const line = JSON.stringify(text).slice(1, -1);
  return line.length > MAX_CELL_CHARS ? `${line.slice(0, MAX_CELL_CHARS - 1)}…` : line;
}

/** Nothing found is nothing that holds. */
export function json({ outcomes, skipped, passed, failed }: Results): string {
  return `${JSON.stringify({ ok: failed === 0 && passed > 0, passed, failed, outcomes, skipped }, null, 2)}\n`;
}
