import { readFile } from 'node:fs/promises';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { run } from '../../../capabilities/text/index.ts';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { jsonProblem } from '../../../src/lib/json.ts';
import { intentOf, memoryApi } from '../../support/capability-api.ts';
import { outputCheck } from '../../support/capability-manifest.ts';

const document = await readFile(new URL('../../../examples/incident-report.md', import.meta.url), 'utf8');
const ask = (capability: string, payload: JsonObject) => run(intentOf(capability, payload), memoryApi().api);

describe('text.analyze', () => {
  it('tells what a real document is about', async () => {
    const result = await ask('text.analyze', { text: document });
    expect(result).toMatchObject({
      title: 'Incident report: checkout outage at Harbour Books, 14 March 2025',
      summary: expect.stringContaining(
        'The root cause was an expired TLS certificate on the payment gateway',
      ),
      topics: expect.arrayContaining(['payment gateway', 'platform team']),
      entities: {
        people: expect.arrayContaining([
          { name: 'Maria Keller', count: 5 },
          { name: 'Amina Diallo', count: 3 },
        ]),
        places: expect.arrayContaining([{ name: 'Frankfurt', count: 2 }]),
        organizations: expect.arrayContaining([{ name: 'Noordzee Bank', count: 2 }]),
      },
      stats: { headings: 8 },
    });
  });

  it('lists a person among the names and not among the keywords', async () => {
    const { keywords } = (await ask('text.analyze', { text: document, keywords: 100 })) as {
      keywords: { phrase: string }[];
    };
    expect(keywords.map(({ phrase }) => phrase)).not.toContain('Maria Keller');
  });

  it('gives a result that the manifest promises, and the same bytes again', async () => {
    const first = await ask('text.analyze', { text: document, sentences: 7, keywords: 40 });
    await ask('text.analyze', { text: 'Something else was read in between. It named Paris.' });
    const second = await ask('text.analyze', { text: document, sentences: 7, keywords: 40 });
    expect((await outputCheck('text', 'text.analyze'))(first)).toBeNull();
    expect(canonicalize(second)).toBe(canonicalize(first));
  });

  it('copes with any text at all', async () => {
    const check = await outputCheck('text', 'text.analyze');
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', minLength: 1, maxLength: 200 }), async (text) => {
        const result = await ask('text.analyze', { text });
        expect(check(result)).toBeNull();
        expect(jsonProblem(result, 48)).toBeNull();
      }),
      { numRuns: 60, seed: 7 },
    );
  });

  it('has an empty summary for a text without prose', async () => {
    expect(await ask('text.analyze', { text: '# Only\n\n## Headings' })).toMatchObject({
      summary: '',
      sentences: [],
    });
  });
});

describe('text.summarize', () => {
  it('quotes whole sentences, in the order of the text, as many as asked for', async () => {
    const result = await ask('text.summarize', { text: document, sentences: 5 });
    const { sentences } = result as { sentences: { text: string; index: number; score: number }[] };
    expect(sentences).toHaveLength(5);
    expect(sentences.map(({ index }) => index)).toEqual(
      sentences.map(({ index }) => index).sort((a, b) => a - b),
    );
    const prose = document.replace(/\s+/g, ' ');
    for (const { text } of sentences) expect(prose).toContain(text);
    expect((await outputCheck('text', 'text.summarize'))(result)).toBeNull();
  });

  it('leaves out code, tables, HTML, images and link targets, and keeps the words of links and emphasis', async () => {
    const text = [
      '---',
      'layout: secret front matter.',
      '---',
      '# Tool',
      '<p>Raw page furniture is here.</p>',
      '',
      'The *tool* reads `files` from [the archive](https://example.org/hidden). ![A picture is hidden.](x.png)',
      '',
      '| Column | Other |',
      '| --- | --- |',
      '| A cell is hidden here. | b |',
      '',
      '```js',
      'const hidden = "Code is hidden here.";',
      '```',
    ].join('\n');
    expect(await ask('text.summarize', { text, sentences: 20 })).toMatchObject({
      summary: 'The tool reads files from the archive.',
    });
  });

  it('does not say the same thing twice', async () => {
    const text =
      'The pump in hall four failed at noon because its seal was worn. ' +
      'The pump in hall four failed at noon because its worn seal broke. ' +
      'Nobody had ordered a spare part for the cooling system since the spring.';
    const { summary } = (await ask('text.summarize', { text, sentences: 2 })) as { summary: string };
    expect(summary).toContain('spare part');
  });

  it('knows that abbreviations and decimals end no sentence', async () => {
    const text =
      'Dr. Keller measured 3.5 volts at 9 a.m. in the lab. The meter, i.e. the old one, was accurate.';
    const { sentences } = (await ask('text.summarize', { text, sentences: 20 })) as { sentences: unknown[] };
    expect(sentences).toHaveLength(2);
  });

  it.each([
    ['no text', {}, 'invalid_payload'],
    ['a text that is a number', { text: 5 }, 'invalid_payload'],
    ['a text without a sentence', { text: '# Title' }, 'invalid_payload'],
    ['too many sentences', { text: 'One sentence is here.', sentences: 21 }, 'invalid_payload'],
    ['half a sentence', { text: 'One sentence is here.', sentences: 1.5 }, 'invalid_payload'],
    ['too long a text', { text: 'a'.repeat(500_001) }, 'too_large'],
  ])('refuses %s', async (_, payload, code) => {
    await expect(ask('text.summarize', payload)).rejects.toMatchObject({ code });
  });
});

describe('text.keywords', () => {
  it('ranks phrases above the single words that they explain', async () => {
    const result = await ask('text.keywords', { text: document, limit: 10 });
    const { keywords } = result as { keywords: { phrase: string; score: number; count: number }[] };
    expect(keywords).toHaveLength(10);
    expect(keywords[0]).toEqual({ phrase: 'payment gateway', score: 1, count: 5 });
    expect(keywords.map(({ phrase }) => phrase)).not.toContain('gateway');
    expect(keywords.map(({ score }) => score)).toEqual(
      keywords.map(({ score }) => score).sort((a, b) => b - a),
    );
    expect((await outputCheck('text', 'text.keywords'))(result)).toBeNull();
  });

  it('counts singular and plural as one and keeps hyphens', async () => {
    const text = 'A key-value database is small. Key-value databases are fast. Every database has limits.';
    const { keywords } = (await ask('text.keywords', { text })) as {
      keywords: { phrase: string; count: number }[];
    };
    expect(keywords[0]).toMatchObject({ phrase: expect.stringMatching(/^key-value databases?$/i), count: 2 });
  });
});

describe('text.stats', () => {
  it('counts', async () => {
    const result = await ask('text.stats', {
      text: '# Head\n\nThe cat sat. The dog didn’t sit! \u{1F600}\n\n- One item.',
    });
    expect(result).toMatchObject({ words: 9, sentences: 3, paragraphs: 2, headings: 1, characters: 55 });
    expect((await outputCheck('text', 'text.stats'))(result)).toBeNull();
  });

  it('finds plain words easier to read than long ones', async () => {
    const plain = await ask('text.stats', { text: 'The cat sat on the mat. The dog ran to the door.' });
    const dense = await ask('text.stats', {
      text: 'Organisational considerations necessitate comprehensive documentation of infrastructural interdependencies.',
    });
    expect((plain as { readingEase: number }).readingEase).toBeGreaterThan(
      (dense as { readingEase: number }).readingEase,
    );
  });

  it('has no readability without a word', async () => {
    expect(await ask('text.stats', { text: '---' })).toMatchObject({
      words: 0,
      readingEase: null,
      gradeLevel: null,
    });
  });
});

describe('a long text', () => {
  const long = `${document}\n\n`.repeat(20);

  it('gives way to other work and stops when it is cancelled', async () => {
    const controller = new AbortController();
    const { api } = memoryApi({ signal: controller.signal });
    const running = run(intentOf('text.analyze', { text: long }), api);
    setImmediate(() => controller.abort(new Error('cancelled by the test')));
    await expect(running).rejects.toThrow('cancelled by the test');
  });

  it('is not cut inside a character', async () => {
    const result = await ask('text.summarize', { text: `a${'\u{1D49C}'.repeat(5_000)}` });
    expect((result as { summary: string }).summary.isWellFormed()).toBe(true);
  });

  it('is cut inside a paragraph without an end without losing a word', async () => {
    const words = Array.from({ length: 3_000 }, (_, index) => `word${index}`);
    expect(await ask('text.stats', { text: words.join(' ') })).toMatchObject({ words: 3_000 });
  });
});
