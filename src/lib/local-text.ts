import type { ErrorCode } from '../../protocols/common/v1/errors.ts';
import { MeshError } from './errors.ts';

/*
 * The one reader of text files that a person keeps on this machine: configuration, keys, passphrases, payloads.
 * Editors write more than UTF-8: a byte order mark before it (Notepad, PowerShell), UTF-16 (`>` in PowerShell 5) or
 * a code page. The mark is dropped; everything else is refused, because read as UTF-8 it would be another text.
 */

/** Bytes that are looked at for UTF-16 without a mark. */
const PROBE_BYTES = 256;

export interface TextFile {
  text: string;
  /** Whether a byte order mark stood before the text. */
  marked: boolean;
}

/**
 * Text in UTF-8, without the byte order mark that may stand before it. Throws `code`, with what the file is and what
 * to do about it; `name` begins the sentence.
 */
export function decodeText(bytes: Uint8Array, name: string, code: ErrorCode = 'invalid_request'): TextFile {
  const refused = (what: string): MeshError =>
    new MeshError(code, `${name} is ${what}; save it as UTF-8.`, { path: name });
  if (isUtf16(bytes)) throw refused('in UTF-16, not text in UTF-8');
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return { text, marked: startsWith(bytes, 0xef, 0xbb, 0xbf) };
  } catch {
    throw refused('not text in UTF-8');
  }
}

/** By its mark, or by a zero in every second byte at its beginning, as Latin letters have. */
function isUtf16(bytes: Uint8Array): boolean {
  if (startsWith(bytes, 0xff, 0xfe) || startsWith(bytes, 0xfe, 0xff)) return true;
  if (bytes.length === 0 || bytes.length % 2 !== 0) return false;
  const probe = bytes.subarray(0, PROBE_BYTES);
  const zeros = (offset: number) => probe.every((byte, index) => (byte === 0) === (index % 2 === offset));
  return zeros(0) || zeros(1);
}

const startsWith = (bytes: Uint8Array, ...mark: number[]): boolean =>
  mark.every((byte, index) => bytes[index] === byte);
