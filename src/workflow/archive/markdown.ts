/** Every character that begins a construct in CommonMark or GitHub's dialect, wherever it stands. */
const SPECIAL = /[\\`*_[\]<>~|&#$@]/g;
/** Controls, line separators, and what is not seen or changes the order in which text is; joiners belong to scripts. */
const UNPRINTABLE = /[[\p{Cc}\p{Cf}\u2028\u2029]--[\u200c\u200d]]+/gv;

/** Foreign text as text in Markdown, on one line: nothing in it becomes markup, a link, a mention or a new block. */
export function inline(text: string): string {
  return (
    text
      .toWellFormed()
      .replace(UNPRINTABLE, ' ')
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

/** Foreign text as a block quotation, line by line, of at most `maxChars`; says so where it was cut. */
export function quoted(text: string, maxChars: number): string {
  const lines = text.slice(0, maxChars).split(/\r\n|[\r\n]/);
  if (text.length > maxChars) lines.push(`(cut: ${maxChars} of ${text.length} characters)`);
  return lines.map((line) => `> ${inline(line)}`.trimEnd()).join('\n');
}
