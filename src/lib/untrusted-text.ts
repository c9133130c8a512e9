/*
 * Text from outside, made fit for where it goes: a terminal, which it must not drive; markup, in which it
 * must stay text; a model, which must see what a person sees. This is the only place that does it.
 */

/** Changes the order of the text around it, or ends a line unseen (Unicode "Bidi_Control", separators). */
const REORDERING = '\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069';
/** Has no width; joiners and the like belong to scripts, so a line of its own is the only place that loses them. */
const INVISIBLE = '\\u00ad\\u200b-\\u200d\\u2060-\\u2065\\ufeff\\u{e0000}-\\u{e007f}';
const IN_TEXT = new RegExp(`(?![\\n\\t])\\p{Cc}|[${REORDERING}]`, 'gu');
const IN_LINE = new RegExp(`\\p{Cc}|[${REORDERING}${INVISIBLE}]`, 'gu');
/** What JSON leaves as it is, and a terminal may take for a command or a person for something else. */
const IN_JSON = new RegExp(`[\\u007f-\\u009f${REORDERING}]`, 'g');

function escaped(character: string): string {
  if (character === '\r') return '';
  const code = character.codePointAt(0) ?? 0;
  const hex = code.toString(16);
  if (code > 0xffff) return `\\u{${hex}}`;
  return code > 0xff ? `\\u${hex.padStart(4, '0')}` : `\\x${hex.padStart(2, '0')}`;
}

/** Terminal: what could drive or reorder it is spelled out; line breaks and tabs stay. */
export const terminalText = (text: string): string => text.replace(IN_TEXT, escaped);

/** Terminal: on one line, with nothing unseen in it, in at most `maxChars`. */
export function terminalLine(text: string, maxChars = Number.POSITIVE_INFINITY): string {
  const line = text.replace(/\s+/gu, ' ').replace(IN_LINE, escaped);
  return line.length > maxChars ? `${line.slice(0, Math.max(0, maxChars - 1)).toWellFormed()}…` : line;
}

/** Terminal: the same document, with such characters written as JSON's own escapes. */
export const terminalJson = (document: unknown, indent = 0): string =>
  JSON.stringify(document, null, indent).replace(
    IN_JSON,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&#39;'],
]);

/** Markup: text and values of attributes in HTML. */
export const htmlText = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => ENTITIES.get(character) ?? '');

/** Every character that begins a construct in CommonMark or GitHub's dialect, wherever it stands. */
const MARKDOWN_SIGN = /[\\`*_[\]<>~|&#$@]/g;
/** Controls, line separators, and what is not seen or changes the order in which text is; joiners belong to scripts. */
const UNPRINTABLE = /[[\p{Cc}\p{Cf}\u2028\u2029]--[\u200c\u200d]]+/gv;

/** Markup: text in Markdown, on one line: nothing in it becomes markup, a link, a mention or a new block. */
export function markdownLine(text: string): string {
  return (
    text
      .toWellFormed()
      .replace(UNPRINTABLE, ' ')
      .trim()
      .replace(MARKDOWN_SIGN, '\\$&')
      // Bare addresses would become links.
      .replace(/:(?=\/\/)/g, '\\:')
      .replace(/\bwww(?=\.)/gi, '$&\\')
      // List markers, rules and underlines count at the start of a line only.
      .replace(/^(?:=|[-+](?=[\s+-]|$))/, '\\$&')
      .replace(/^(\d{1,9})([.)])(?=\s|$)/, '$1\\$2')
  );
}

/** Markup: keeps the paragraphs and line breaks of a longer text, and nothing else of its structure. */
export function markdownParagraphs(text: string): string[] {
  return text
    .split(/\r?\n\s*\r?\n/)
    .map((part) => part.split(/\r?\n/).map(markdownLine).filter(Boolean).join('\\\n'))
    .filter(Boolean);
}

/** Markup: as a block quotation, line by line, of at most `maxChars`; says so where it was cut. */
export function markdownQuotation(text: string, maxChars: number): string {
  const lines = text.slice(0, maxChars).split(/\r\n|[\r\n]/);
  if (text.length > maxChars) lines.push(`(cut: ${maxChars} of ${text.length} characters)`);
  return lines.map((line) => `> ${markdownLine(line)}`.trimEnd()).join('\n');
}

/**
 * What a person would not see, or would see in another place: controls, format and bidirectional characters, tags,
 * variation selectors and fillers, line separators, private and unassigned characters; and the signs ⟪⟫ of the frames
 * that a projection puts around content.
 */
const UNSEEN = /[⟪⟫\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?![\n\t])\p{Cc}/gu;
/** `<|im_start|>`, `<start_of_turn>`, `</s>`, `<<SYS>>`: the opening sign alone is changed, which is enough for all. */
const OPENING_SIGN = /[<＜﹤](?=[|｜<＜﹤]|[/／]?[\p{L}\p{N}_▁:.-]{1,64}[>＞﹥])/gu;
const CLOSING_SIGN = /[|｜](?=[>＞﹥])/gu;
/** `[INST]`, `[/INST]`, `[TOOL_CALLS]`, `[gMASK]`; `[img-0]`, where Ollama puts an image. */
const BRACKETED_SIGN = /[[［](?=[/／]?(?:[a-z]?[A-Z][A-Z0-9_]+|inst|sys|img-\d+)[\]］])/gu;
/** `--- END OF DATA ---`, `=====BEGIN …`: a line that plays the frame. */
const FRAME_LIKE = /^(?=[ \t]*[\p{Pd}=*#~_+>|:/\\]{2,}[ \t]*(?:begin|end|start|stop|close)\b)/gimu;

/**
 * Model: every unseen character spelled out as `\u{202E}` and a backslash inside each thing that looks like a
 * template's token or the edge of a frame. Line ends become line feeds, blanks become spaces. Never shorter.
 */
export function modelText(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/\p{Zs}/gu, ' ')
    .replace(
      UNSEEN,
      (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}}`,
    )
    .replace(OPENING_SIGN, '$&\\')
    .replace(CLOSING_SIGN, '$&\\')
    .replace(BRACKETED_SIGN, '$&\\')
    .replace(FRAME_LIKE, '\\');
}
