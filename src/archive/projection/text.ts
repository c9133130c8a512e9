import { modelText } from '../../lib/untrusted-text.ts';

/* What a model is shown of an archive, in lines and records. */

/** Open and close every frame line; they occur nowhere else, since content that has them gets them spelled out. */
export const FRAME_OPEN = '⟪';
export const FRAME_CLOSE = '⟫';
/** Characters; a longer line of a text goes on in the next one, and a longer record is cut. */
export const MAX_LINE_CHARS = 2_000;

/** Lines of at most `MAX_LINE_CHARS`; none is lost. */
export function linesOf(text: string): string[] {
  return modelText(text)
    .split('\n')
    .flatMap((line) => (line.length <= MAX_LINE_CHARS ? [line] : wrapped(line)));
}

function wrapped(line: string): string[] {
  const pieces: string[] = [];
  for (let start = 0; start < line.length; ) {
    const end = boundary(line, start + MAX_LINE_CHARS);
    pieces.push(line.slice(start, end));
    start = end;
  }
  return pieces;
}

/** One line of JSON, in which no value can begin another line. */
export interface RecordLine {
  line: string;
  /** Above `MAX_LINE_CHARS`; the line says so. */
  cut: boolean;
}

export function recordLine(value: unknown): RecordLine {
  const json = JSON.stringify(value);
  // Nothing gets shorter by being made visible, so what is behind the cut need not be.
  const line = modelText(json.slice(0, boundary(json, MAX_LINE_CHARS)));
  if (json.length <= MAX_LINE_CHARS && line.length <= MAX_LINE_CHARS) return { line, cut: false };
  const kept = line.slice(0, boundary(line, MAX_LINE_CHARS));
  return { line: `${kept}… (cut: ${String(json.length)} characters)`, cut: true };
}

/** `index`, or one less where it would part the halves of one character. */
function boundary(text: string, index: number): number {
  const code = text.codePointAt(index - 1) ?? 0;
  return index < text.length && code > 0xffff ? index - 1 : index;
}
