import { unfit } from './bytes.ts';
import type { Bounded, Sections } from './sections.ts';

/** Elements of one table: a compiler makes one for each function whose address is taken. */
const MAX_TABLE_ELEMENTS = 65_536;

/**
 * The module with a maximum on its memory and its tables, where it has a higher one or none, so that the engine itself holds it to
 * that: what grows beyond is told that it cannot. Throws `too_large` where it begins with more.
 */
export function boundModule(
  bytes: Uint8Array,
  { tables, memories }: Sections,
  memoryPages: number,
): Uint8Array {
  // From the end, so that what stands before keeps its place.
  const parts: [Bounded | null, number][] = [
    [memories, memoryPages],
    [tables, MAX_TABLE_ELEMENTS],
  ];
  return parts.reduce(
    (module, [section, most]) => (section === null ? module : rewrite(module, section, most)),
    bytes,
  );
}

function rewrite(module: Uint8Array, { id, from, end, entries }: Bounded, most: number): Uint8Array {
  const content = number(entries.length);
  for (const { prefix, minimum, maximum } of entries) {
    if (minimum > most)
      throw unfit(`begins with more than it may have here: ${minimum} of at most ${most}`, 'too_large');
    content.push(...prefix, 1, ...number(minimum), ...number(Math.min(maximum ?? most, most)));
  }
  const section = Uint8Array.from([id, ...number(content.length), ...content]);
  const written = new Uint8Array(from + section.length + module.length - end);
  written.set(module.subarray(0, from));
  written.set(section, from);
  written.set(module.subarray(end), from + section.length);
  return written;
}

/** Seven bits in each byte, the lowest first. */
function number(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}
