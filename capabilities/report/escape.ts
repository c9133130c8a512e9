/** Every character that begins a construct in CommonMark or GitHub's dialect, wherever it stands. */
const SPECIAL = /[\\`*_[\]<>~|&#$@]/g;

/** Text as text in Markdown, on one line: nothing in it becomes markup, a link, a mention or a new block. */
export function inline(text: string): string {
  return (
    text
      .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
      .trim()
      .replace(SPECIAL, '\\$&')
      // Bare addresses would become links.
      .replace(/:(?=\/\/)/g, '\\:')
      .replace(/\bwww(?=\.)/gi, '$&\\')
      // List markers, rules and underlines count at the start of a line only.
      .replace(/^(?:=|[-+](?=[\s+-]|$))/, '\\$&')
      .replace(/^(\d{1,9})([.)])(?=\s|$)/, '$1\\$2')
  );
}

/** Keeps the paragraphs and line breaks of a longer text, and nothing else of its structure. */
export function paragraphs(text: string): string[] {
  return text
    .split(/\r?\n\s*\r?\n/)
    .map((part) => part.split(/\r?\n/).map(inline).filter(Boolean).join('\\\n'))
    .filter(Boolean);
}
