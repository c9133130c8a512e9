import { terminalJson } from '../../lib/untrusted-text.ts';
import { LayoutError } from '../layout-error.ts';

/** Longer than any file system takes. */
const MAX_NAME_BYTES = 1_024;
const SHOWN_CHARS = 200;

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const FORBIDDEN = /[\p{Cc}\\]/u;
const DRIVE = /^[a-z]:/i;

/**
 * The name of an entry from its bytes. Throws LayoutError `unsafe_path` for what could lead out of a folder, what a
 * terminal or a file system could take for something else, and for bytes that readers decode differently.
 */
export function entryName(raw: Uint8Array, isUtf8: boolean): string {
  let name: string;
  try {
    name = UTF8.decode(raw);
  } catch {
    throw new LayoutError('unsafe_path', 'The name of an entry is not valid UTF-8.');
  }
  // Every character of ASCII is one byte, and every other one is more.
  const isUnmarked = !isUtf8 && name.length !== raw.length;
  const problem = isUnmarked ? 'is not ASCII and not marked as UTF-8' : nameProblem(name, raw.length);
  if (problem === null) return name;
  // As JSON, so that a terminal can show it.
  throw new LayoutError('unsafe_path', `The name ${terminalJson(name.slice(0, SHOWN_CHARS))} ${problem}.`);
}

/** What is wrong with the name of a file or, with a slash at its end, of a folder; a clause, or null. */
export function nameProblem(name: string, byteLength: number): string | null {
  if (name === '') return 'is empty';
  if (byteLength > MAX_NAME_BYTES) return `has more than ${String(MAX_NAME_BYTES)} bytes`;
  if (!name.isWellFormed()) return 'holds a lone surrogate';
  if (FORBIDDEN.test(name)) return 'has a backslash or a control character in it';
  if (name.startsWith('/')) return 'is an absolute path';
  if (DRIVE.test(name)) return 'has a drive letter';
  const segments = name.split('/');
  if (segments.at(-1) === '') segments.pop();
  if (segments.includes('..')) return 'leads out of its folder';
  if (segments.includes('.') || segments.includes('')) return 'has an empty segment or a dot for one';
  return null;
}

/** The same of the name that a file is to have. */
export function fileNameProblem(path: string): string | null {
  const problem = nameProblem(path, new TextEncoder().encode(path).length);
  return problem ?? (path.endsWith('/') ? 'names no file' : null);
}
