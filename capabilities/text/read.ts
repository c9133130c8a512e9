import type nlp from 'compromise';
import { type Block, toBlocks } from './blocks.ts';
import { pacer } from './pacer.ts';

export interface Word {
  text: string;
  /** Dictionary form in lower case: `servers` and `server` are one. */
  root: string;
  tags: ReadonlySet<string>;
  /** A comma, bracket or the like follows, so no phrase goes on here. */
  closes: boolean;
  /** Between this word and the next of a phrase. */
  joint: '-' | ' ';
}

export interface Sentence {
  text: string;
  /** Position among all sentences of the prose, from 0. */
  index: number;
  block: Block;
  /** First of its block. */
  leads: boolean;
  words: Word[];
}

export interface Entities {
  people: string[];
  places: string[];
  organizations: string[];
}

export interface Reading {
  title: string | null;
  blocks: Block[];
  sentences: Sentence[];
  /** Every mention, in order. */
  mentions: Entities;
}

/** Splits, tags and lemmatises (English). Gives way to other work between pieces and stops when `signal` aborts. */
export async function read(text: string, signal: AbortSignal): Promise<Reading> {
  // Loaded by the first text, since it costs a third of a second and 50 MB that many nodes never need.
  const { default: tagger } = await import('compromise');
  const pace = pacer(signal);
  const blocks = await toBlocks(text, pace);
  const reading: Reading = {
    title: blocks[0]?.kind === 'heading' ? (blocks[0].pieces[0] ?? null) : null,
    blocks,
    sentences: [],
    mentions: { people: [], places: [], organizations: [] },
  };
  for (const block of blocks) {
    if (block.kind === 'heading') continue;
    for (const [position, piece] of block.pieces.entries()) {
      await pace(piece.length);
      readPiece(tagger(piece), block, position === 0, reading);
    }
  }
  return reading;
}

function readPiece(doc: ReturnType<typeof nlp>, block: Block, first: boolean, reading: Reading): void {
  doc.compute('root');
  for (const [position, terms] of doc.document.entries()) {
    const text = terms.map((term) => term.pre + term.text + term.post).join('');
    // A lone emoji or rule is no sentence.
    if (!/[\p{L}\p{N}]/u.test(text)) continue;
    reading.sentences.push({
      text: text.trim(),
      index: reading.sentences.length,
      block,
      leads: first && position === 0,
      // A contraction is followed by empty terms that stand for its implied words.
      words: terms.filter((term) => term.text !== '').map(toWord),
    });
  }
  const { people, places, organizations } = reading.mentions;
  people.push(...doc.people().out('array'));
  places.push(...doc.places().out('array'));
  organizations.push(...doc.organizations().out('array'));
}

function toWord(term: { text: string; normal: string; post: string; tags?: Set<string> }): Word {
  const root = 'root' in term && typeof term.root === 'string' && term.root !== '' ? term.root : term.normal;
  return {
    text: term.text,
    root: root.replace(/['’]s?$/, ''),
    tags: term.tags ?? new Set(),
    closes: /[^\s'’-]/.test(term.post),
    joint: term.post === '-' ? '-' : ' ',
  };
}
