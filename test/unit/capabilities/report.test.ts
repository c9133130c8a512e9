import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import MarkdownIt from 'markdown-it';
import { describe, expect, it } from 'vitest';
import { run } from '../../../capabilities/report/index.ts';
import { run as runText } from '../../../capabilities/text/index.ts';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { markdownLine, markdownParagraphs } from '../../../src/lib/untrusted-text.ts';
import { intentOf, memoryApi } from '../../support/capability-api.ts';
import { outputCheck } from '../../support/capability-manifest.ts';

type Report = { title: string; markdown: string; html: string };
const ask = async (payload: JsonObject) =>
  (await run(intentOf('report.create', payload), memoryApi().api)) as Report;

const HOSTILE = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '[click](javascript:alert(1))',
  '![x](https://evil.example/pixel.png)',
  '# heading',
  '1. one',
  '1)',
  '+',
  '- - -',
  '--',
  '- item',
  '> quote',
  '```\ncode',
  '| a | b |\n| - | - |',
  '&lt;b&gt;',
  '---',
  '===',
  '<https://evil.example>',
  'https://evil.example www.evil.example a@evil.example',
  '[ref]: https://evil.example',
  '\\[a](b)',
  '</title></style><script>1</script>',
];

describe('report.create', () => {
  it('shows an analysis of a real document in sections', async () => {
    const text = await readFile(new URL('../../../examples/incident-report.md', import.meta.url), 'utf8');
    const analysis = await runText(intentOf('text.analyze', { text }), memoryApi().api);
    const report = await ask({ analysis });
    expect(report.title).toBe('Incident report: checkout outage at Harbour Books, 14 March 2025');
    expect(report.markdown.match(/^#+ .*$/gm)).toEqual([
      '# Incident report: checkout outage at Harbour Books, 14 March 2025',
      '## Summary',
      '## Keywords',
      '## Names',
      '## Statistics',
    ]);
    expect(report.markdown).toContain('| payment gateway | 5 | 1.00 |');
    expect(report.markdown).toContain('- **People:** Maria Keller (5)');
    expect(report.html).toContain('<td>payment gateway</td>');
    expect((await outputCheck('report', 'report.create'))(report)).toBeNull();
    expect(await ask({ analysis })).toEqual(report);
  });

  it('shows what a model answered', async () => {
    const analysis = {
      analysis: 'It works.\n\nIt is fast.',
      summary: 'Fine.',
      keyPoints: ['a', 'b'],
      keywords: ['c'],
    };
    const { markdown } = await ask({ analysis: { ...analysis, model: 'gemma3:4b' }, title: 'Answer' });
    expect(markdown).toBe(
      '# Answer\n\n## Summary\n\nFine.\n\n## Analysis\n\nIt works.\n\nIt is fast.\n\n' +
        '## Key points\n\n- a\n- b\n\n## Keywords\n\n- c\n\n## Model\n\ngemma3:4b\n',
    );
  });

  it.each([
    ['a scalar', -5.25, '# Report\n\n-5.25\n'],
    ['nothing', null, '# Report\n\n–\n'],
    ['an empty list', [], '# Report\n\nNone.\n'],
    ['a list', [1, 'two', true, null], '# Report\n\n- 1\n- two\n- true\n- –\n'],
    [
      'a flat object',
      { readingEase: 3, snake_case: 'x' },
      '# Report\n\n| Field | Value |\n| --- | --- |\n| Reading ease | 3 |\n| Snake case | x |\n',
    ],
    ['rows', [{ a: 1 }, { a: 2, b: 'x' }], '# Report\n\n| A | B |\n| --- | --- |\n| 1 |  |\n| 2 | x |\n'],
    ['nested data', { a: { b: [1] } }, '# Report\n\n## A\n\n### B\n\n- 1\n'],
  ])('shows %s', async (_, data, markdown) => {
    expect((await ask({ data })).markdown).toBe(markdown);
  });

  it('shows data nested too deep for headings as code, and a long list in part', async () => {
    let data: JsonObject = { end: '```\n# no heading' };
    for (let depth = 0; depth < 8; depth += 1) data = { inner: data };
    const { html } = await ask({ data });
    expect(html).toContain('<pre><code class="language-json">');
    expect(html.match(/<h1>/g)).toHaveLength(1);
    const { markdown } = await ask({ data: Array.from({ length: 250 }, (_, index) => index) });
    expect(markdown).toContain('… and 50 more.');
  });

  it('gives the formats asked for', async () => {
    expect(Object.keys(await ask({ data: 1, format: 'markdown' }))).toEqual(['title', 'markdown']);
    expect(Object.keys(await ask({ data: 1, format: 'html' }))).toEqual(['title', 'html']);
    expect(Object.keys(await ask({ data: 1 }))).toEqual(['title', 'markdown', 'html']);
  });

  it('refuses to report on nothing, and a report that no frame could carry', async () => {
    await expect(ask({})).rejects.toMatchObject({ code: 'invalid_payload' });
    for (const format of ['markdown', 'html', 'both']) {
      await expect(ask({ data: '*'.repeat(600_000), format })).rejects.toMatchObject({ code: 'too_large' });
    }
    const twice = { data: 'word '.repeat(100_000) };
    await expect(ask(twice)).rejects.toMatchObject({ code: 'too_large' });
    expect(Object.keys(await ask({ ...twice, format: 'html' }))).toEqual(['title', 'html']);
  });
});

describe('untrusted text in a report', () => {
  it.each(HOSTILE)('stays text: %s', async (text) => {
    const payloads: JsonObject[] = [
      { data: text },
      { data: [text, text] },
      { data: { [text]: text } },
      { data: [{ [text]: text }] },
      { data: { [text]: { [text]: [[text]] } }, title: text },
      {
        analysis: {
          summary: text,
          analysis: text,
          keywords: [{ phrase: text }],
          entities: { [text]: [{ name: text }] },
        },
      },
    ];
    for (const payload of payloads) {
      const { html } = await ask(payload);
      const body = html.slice(html.indexOf('<body>'));
      expect(body).not.toMatch(/<(script|img|a|iframe|blockquote|ol|hr|h[1-6][^>]*>\s*heading)\b/i);
      expect(html.match(/<title>/g)).toHaveLength(1);
      expect(html.match(/<\/style>/g)).toHaveLength(1);
      expect(body.match(/<h1>/g)).toHaveLength(1);
    }
  });

  it('is shown exactly as it came, whatever it is', () => {
    const parser = new MarkdownIt('default', { html: true, linkify: true });
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (text) => {
        const expected = text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').trim();
        const tokens = parser.parse(markdownLine(text), {});
        expect(tokens.map(({ type }) => type)).toEqual(
          expected === '' ? [] : ['paragraph_open', 'inline', 'paragraph_close'],
        );
        const shown = tokens[1]?.children?.map(({ content }) => content).join('') ?? '';
        expect(shown).toBe(expected);
      }),
      { numRuns: 500, seed: 11 },
    );
  });

  it('begins no block on any of its lines', () => {
    const parser = new MarkdownIt('default', { html: true, linkify: true });
    const markup = fc.string({ unit: fc.constantFrom(...'a1 \n\n-=#>+*_`~|.):[]()<!\\\t&;'), maxLength: 40 });
    fc.assert(
      fc.property(markup, (text) => {
        const types = parser.parse(markdownParagraphs(text).join('\n\n'), {}).map(({ type }) => type);
        expect(types.filter((type) => !/^(inline|paragraph_(open|close))$/.test(type))).toEqual([]);
      }),
      { numRuns: 500, seed: 13 },
    );
  });

  it('keeps its lines and paragraphs', () => {
    expect(markdownParagraphs('one\ntwo\n\n\n- three')).toEqual(['one\\\ntwo', '\\- three']);
  });
});
