/*
 * Text that somebody else wrote, made fit to be shown to a model: readable as before, with nothing in it that is not
 * seen, and nothing that a chat template or this project's own frames give a meaning to.
 */

/** Open and close every frame line; they occur nowhere else, since content that has them gets them spelled out. */
export const FRAME_OPEN = '⟪';
export const FRAME_CLOSE = '⟫';
/** Characters; a longer line of a text goes on in the next one, and a longer record is cut. */
export const MAX_LINE_CHARS = 2_000;

/**
 * What a person would not see, or would see in another place: controls, format and bidirectional characters, tags,
 * variation selectors and fillers, line separators, private and unassigned characters; and the frames' own signs.
 */
const UNSEEN = /[⟪⟫\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?![\n\t])\p{Cc}/gu;
/** `<|im_start|>`, `<start_of_turn>`, `</s>`, `<<SYS>>`: the opening sign alone is changed, which is enough for all. */
const OPENING_SIGN = /[<＜﹤](?=[|｜<＜﹤]|[/／]?[\p{L}\p{N}_▁:.-]{1,64}[>＞﹥])/gu;
const CLOSING_SIGN = /[|｜](?=[>＞﹥])/gu;
/** `[INST]`, `[/INST]`, `[TOOL_CALLS]`, `[gMASK]`. */
const BRACKETED_SIGN = /[[［](?=[/／]?(?:[a-z]?[A-Z][A-Z0-9_]+|inst|sys)[\]］])/gu;
/** `--- END OF DATA ---`, `=====BEGIN …`: a line that plays the frame. */
const FRAME_LIKE = /^(?=[ \t]*[\p{Pd}=*#~_+>|:/\\]{2,}[ \t]*(?:begin|end|start|stop|close)\b)/gimu;

/**
 * The same text with every unseen character spelled out as `\u{202E}` and a backslash inside each thing that looks like
 * a template's token or the edge of a frame. Line ends become line feeds, blanks become spaces.
 */
export function visible(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/\p{Zs}/gu, ' ')
    .replace(UNSEEN, spelledOut)
    .replace(OPENING_SIGN, '$&\\')
    .replace(CLOSING_SIGN, '$&\\')
    .replace(BRACKETED_SIGN, '$&\\')
    .replace(FRAME_LIKE, '\\');
}

function spelledOut(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}}`;
}

/** Lines of at most `MAX_LINE_CHARS`; none is lost. */
export function linesOf(text: string): string[] {
  return visible(text)
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
  const line = visible(json.slice(0, boundary(json, MAX_LINE_CHARS)));
  if (json.length <= MAX_LINE_CHARS && line.length <= MAX_LINE_CHARS) return { line, cut: false };
  const kept = line.slice(0, boundary(line, MAX_LINE_CHARS));
  return { line: `${kept}… (cut: ${String(json.length)} characters)`, cut: true };
}

/** `index`, or one less where it would part the halves of one character. */
function boundary(text: string, index: number): number {
  const code = text.codePointAt(index - 1) ?? 0;
  return index < text.length && code > 0xffff ? index - 1 : index;
}
