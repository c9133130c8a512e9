import { describe, expect, it } from 'vitest';
import { htmlText, terminalJson, terminalLine, terminalText } from '../../../src/lib/untrusted-text.ts';

describe('text for a terminal', () => {
  it.each([
    ['keeps lines, tabs and scripts', 'a\n\tb 漢字 नमस्ते', 'a\n\tb 漢字 नमस्ते'],
    ['spells out what drives it', '\u001b[2J\u0007\u009b1m\u007f', '\\x1b[2J\\x07\\x9b1m\\x7f'],
    ['drops carriage returns, which overwrite', 'rm\r\nls\r', 'rm\nls'],
    ['spells out what reorders', 'a\u202eb\u2066c\u2028d', 'a\\u202eb\\u2066c\\u2028d'],
    ['keeps the joiners of emoji and scripts', '👩‍💻', '👩‍💻'],
  ])('%s', (_, text, expected) => {
    expect(terminalText(text)).toBe(expected);
    expect(terminalText(expected)).toBe(expected);
  });

  it('is one line with nothing unseen in it, cut where there is no room', () => {
    expect(terminalLine('a\r\n b\tc\u200b\u{e0041}\u001b')).toBe('a b c\\u200b\\u{e0041}\\x1b');
    expect(terminalLine('abcdef', 4)).toBe('abc…');
    expect(terminalLine('ab😀d', 4)).toBe('ab\ufffd…');
  });

  it('is the same JSON', () => {
    const document = { '\u009b': 'a\u202e\u001b\u007f' };
    const text = terminalJson(document);
    expect(JSON.parse(text)).toEqual(document);
    expect(text).toBe('{"\\u009b":"a\\u202e\\u001b\\u007f"}');
  });
});

it('is text in HTML, also inside an attribute', () => {
  expect(htmlText(`<a href="x" id='y'>&</a>`)).toBe(
    '&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;&lt;/a&gt;',
  );
});
