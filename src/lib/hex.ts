import { MeshError } from './errors.ts';

const BYTE_TO_HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const NOT_HEX = 0xff;
/** Value of a lowercase hex digit by its character code. */
const NIBBLE = new Uint8Array(128).fill(NOT_HEX);
for (let value = 0; value < 16; value++) NIBBLE[value.toString(16).charCodeAt(0)] = value;

/** Lowercase hex, two characters a byte; works where there is no `Buffer`. */
export function toHex(bytes: Uint8Array): string {
  let hex = '';
  for (const byte of bytes) hex += BYTE_TO_HEX[byte];
  return hex;
}

/** Bytes of lowercase hex. Throws `invalid_request` for anything else, uppercase included: one text, one value. */
export function fromHex(hex: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(hex.length >> 1);
  let valid = hex.length % 2 === 0;
  for (let index = 0; index < bytes.length; index++) {
    const high = NIBBLE[hex.charCodeAt(index * 2)] ?? NOT_HEX;
    const low = NIBBLE[hex.charCodeAt(index * 2 + 1)] ?? NOT_HEX;
    valid &&= high !== NOT_HEX && low !== NOT_HEX;
    bytes[index] = (high << 4) | low;
  }
  if (!valid) throw new MeshError('invalid_request', 'The text is not lowercase hex.');
  return bytes;
}

/** Whether a text is exactly so many bytes in lowercase hex. */
export function isHex(text: string, bytes: number): boolean {
  return text.length === bytes * 2 && /^[0-9a-f]*$/.test(text);
}
