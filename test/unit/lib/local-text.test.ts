import { describe, expect, it } from 'vitest';
import { decodeText } from '../../../src/lib/local-text.ts';

const utf16be = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16();

describe('text of a file', () => {
  it.each([
    ['UTF-8', Buffer.from('Zürich €\n')],
    ['nothing', new Uint8Array()],
    ['a zero among letters', Buffer.from('a\0bc')],
    ['a mark in the middle', Buffer.from('a\ufeffb')],
  ])('is taken as it is: %s', (_, bytes) => {
    expect(decodeText(bytes, 'notes.txt')).toEqual({ text: Buffer.from(bytes).toString(), marked: false });
  });

  it('loses one byte order mark', () => {
    expect(decodeText(Buffer.from('\ufeffcorrect horse'), 'p')).toEqual({
      text: 'correct horse',
      marked: true,
    });
    expect(decodeText(Buffer.from('\ufeff\ufeffx'), 'p').text).toBe('\ufeffx');
  });

  it.each([
    ['UTF-16 with a mark', Buffer.from('\ufeffkey', 'utf16le'), 'in UTF-16, not text in UTF-8'],
    ['UTF-16, the other order', utf16be('\ufeffkey'), 'in UTF-16, not text in UTF-8'],
    ['UTF-16 without a mark', Buffer.from('key\r\n', 'utf16le'), 'in UTF-16, not text in UTF-8'],
    ['UTF-16, the other order, without a mark', utf16be('key'), 'in UTF-16, not text in UTF-8'],
    ['Latin-1', Buffer.from('Büro', 'latin1'), 'not text in UTF-8'],
    ['half a character', Buffer.from('Büro').subarray(0, 2), 'not text in UTF-8'],
  ])('is refused, and the file named: %s', (_, bytes, what) => {
    expect(() => decodeText(bytes, 'notes.txt', 'config_invalid')).toThrow(
      expect.objectContaining({
        code: 'config_invalid',
        message: `notes.txt is ${what}; save it as UTF-8.`,
      }),
    );
  });
});
