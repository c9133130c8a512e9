import MarkdownIt from 'markdown-it';
import type { Pace } from './pacer.ts';

/** Parsing and tagging take time that grows faster than the piece they are given; this much takes tens of ms. */
const PIECE_CHARS = 4_096;

/** A run of prose, in pieces of at most `PIECE_CHARS`. `section` is the nearest heading above, or empty. */
export interface Block {
  kind: 'heading' | 'paragraph' | 'item' | 'quote';
  pieces: string[];
  section: string;
}

/** Raw HTML is recognised so that it can be left out; indented text is prose, since plain text indents too. */
const createParser = () => new MarkdownIt('default', { html: true, linkify: false }).disable('code');

type Token = ReturnType<ReturnType<typeof createParser>['parse']>[number];

/**
 * Splits plain text or Markdown into prose. Code blocks, tables, raw HTML, image alternatives, front matter and
 * link targets are left out; emphasis, links and inline code keep their words.
 */
export async function toBlocks(text: string, pace: Pace): Promise<Block[]> {
  const blocks: Block[] = [];
  const containers: string[] = [];
  const inline = createParser();
  const references = {};
  let section = '';
  for (const token of createParser().disable('inline').parse(withoutFrontMatter(text), references)) {
    if (token.nesting === 1) containers.push(token.type);
    else if (token.nesting === -1) containers.pop();
    else if (token.type === 'inline' && !containers.includes('table_open')) {
      const pieces: string[] = [];
      for (const piece of cut(token.content)) {
        await pace(piece.length);
        const prose = words(inline.parseInline(piece, references)[0]?.children ?? []);
        if (prose !== '') pieces.push(prose);
      }
      const [first] = pieces;
      if (first === undefined) continue;
      const kind = kindOf(containers, first);
      if (kind === 'heading') section = first;
      blocks.push({ kind, pieces, section: kind === 'heading' ? '' : section });
    }
  }
  return blocks;
}

function kindOf(containers: readonly string[], text: string): Block['kind'] {
  // A plain paragraph above a line of dashes parses as a heading; one that ends like a sentence is prose.
  if (containers.includes('heading_open') && !/[.!?]$/.test(text)) return 'heading';
  if (containers.includes('blockquote_open')) return 'quote';
  return containers.includes('list_item_open') ? 'item' : 'paragraph';
}

function words(children: readonly Token[]): string {
  return children
    .map(({ type, content }) => {
      if (type === 'text' || type === 'code_inline' || type === 'text_special') return content;
      return type === 'softbreak' || type === 'hardbreak' ? ' ' : '';
    })
    .join('')
    .replace(/\s+/g, ' ')
    .trim();
}

/** Cuts at a sentence's end, else at a space, else anywhere but inside a character. */
function cut(text: string): string[] {
  const pieces: string[] = [];
  let from = 0;
  while (text.length - from > PIECE_CHARS) {
    const head = text.slice(from, from + PIECE_CHARS);
    const sentence = Math.max(head.lastIndexOf('. '), head.lastIndexOf('! '), head.lastIndexOf('? ')) + 1;
    const whole = /[\uD800-\uDBFF]$/.test(head) ? PIECE_CHARS - 1 : PIECE_CHARS;
    const length = sentence || head.lastIndexOf(' ') + 1 || whole;
    pieces.push(head.slice(0, length));
    from += length;
  }
  pieces.push(text.slice(from));
  return pieces;
}

function withoutFrontMatter(text: string): string {
  return text.replace(/^\uFEFF?---\r?\n(?:[^\n]*\n){0,200}?---\r?\n/, '');
}
