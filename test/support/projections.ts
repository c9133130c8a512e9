import type { Projection } from '../../src/archive/projection/hydrate.ts';

export interface Frame {
  kind: string;
  label: string;
  lines: string[];
}

/** Reads messages back as the system message says they are to be read. Throws where frames are not balanced. */
export function parseProjection({ messages, delimiter }: Projection): { outside: string; frames: Frame[] } {
  const begin = new RegExp(`^⟪(quoted|instructions) ${delimiter} ([^⟪⟫]+)⟫$`, 'u');
  const frames: Frame[] = [];
  const outside: string[] = [];
  for (const { content } of messages) {
    let open: Frame | null = null;
    for (const line of content.split('\n')) {
      const [, kind, label] = begin.exec(line) ?? [];
      if (kind !== undefined && label !== undefined) {
        if (open !== null) throw new Error(`A frame begins within another one: ${line}`);
        open = { kind, label, lines: [] };
        frames.push(open);
      } else if (line === `⟪end ${delimiter}⟫`) {
        if (open === null) throw new Error('A frame ends that never began.');
        open = null;
      } else if (open === null) outside.push(line);
      else {
        if (/[⟪⟫]/u.test(line)) throw new Error(`A frame's sign is within a frame: ${line}`);
        if (open.kind === 'quoted' && !line.startsWith('> ')) throw new Error(`Not quoted: ${line}`);
        open.lines.push(line);
      }
    }
    if (open !== null) throw new Error('A frame never ends.');
  }
  return { outside: outside.join('\n'), frames };
}
