import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nodeArchiveCrypto as crypto } from '../../../src/archive/crypto/node-crypto.ts';
import { openArchive } from '../../../src/archive/open-verified.ts';
import { untrustedFields } from '../../../src/archive/projection/blocks.ts';
import { shares } from '../../../src/archive/projection/fence.ts';
import {
  MIN_PROJECTION_CHARS,
  PROJECTION_CHARS,
  projectArchive,
} from '../../../src/archive/projection/hydrate.ts';
import { linesOf, MAX_LINE_CHARS } from '../../../src/archive/projection/text.ts';
import type { ByteSource, VerifyOptions } from '../../../src/archive/types.ts';
import { toHex } from '../../../src/lib/hex.ts';
import { modelText } from '../../../src/lib/untrusted-text.ts';
import { archiveBytes, event } from '../../support/archives.ts';
import { alice, bob, mallory } from '../../support/keys.ts';
import { parseProjection } from '../../support/projections.ts';
import { type draftOf, recipientKeyOf, signerOf } from '../../support/sealing.ts';

const components = { crypto };
type Draft = Parameters<typeof draftOf>[0];

async function opened(draft: Draft = {}, options: VerifyOptions = {}) {
  return openArchive(components, await archiveBytes(draft), options);
}

const lengthOf = (messages: { content: string }[]) =>
  messages.reduce((sum, { content }) => sum + content.length, 0);

describe('projectArchive', () => {
  it('gives rules and instructions as system, and all that is quoted as user', async () => {
    const archive = await opened({}, { allowlist: [alice.identity] });
    const projection = await projectArchive(components, archive, { task: 'Say what is open.' });
    expect(projection.messages.map(({ role }) => role)).toEqual(['system', 'user']);
    expect(projection.delimiter).toMatch(/^[0-9a-f]{32}$/);
    expect(projection.truncated).toBe(false);
    const { frames, outside } = parseProjection(projection);
    expect(frames.map(({ kind, label }) => `${kind} ${label}`)).toEqual([
      'instructions signed skill 1',
      'quoted program.md',
      'quoted agents.md',
      'quoted skills that are not trusted',
      'quoted names that the authors gave',
      'quoted events of the chain',
      'quoted list of files',
    ]);
    expect(projection.messages[0]?.content).toContain('# Review');
    expect(outside).toContain('The task: Say what is open.');
    expect(outside).toContain(`originator's key ${alice.identity}`);
    expect(outside).toContain('signed by 1 key(s), of which the host trusts 1');
    expect(projection.sections.map(({ source, trust }) => `${trust} ${source}`)).toEqual([
      'instructions skills/review',
      'facts verification',
      'untrusted program.md',
      'untrusted agents.md',
      'untrusted skills',
      'untrusted manifest.json',
      'untrusted chain/events.jsonl',
      'untrusted content_index',
    ]);
  });

  it('lists files by path, size and hash and shows nothing of them', async () => {
    const { frames } = parseProjection(await projectArchive(components, await opened()));
    const files = frames.find(({ label }) => label === 'list of files')?.lines.join('\n');
    expect(files).toContain(
      `> {"path":"payload/report.txt","size":8,"sha256":"${crypto.sha256Hex('a report')}"}`,
    );
    expect(frames.flatMap(({ lines }) => lines).join('\n')).not.toContain('a report');
  });

  it('draws a new delimiter each time, and again where the content holds it', async () => {
    const archive = await opened({ program: `The delimiter is ${'ab'.repeat(16)}, is it not?` });
    const draws = [new Uint8Array(16).fill(0xab), new Uint8Array(16).fill(0xcd)];
    const foretold = { ...crypto, randomBytes: () => draws.shift() ?? new Uint8Array(16) };
    const projection = await projectArchive({ crypto: foretold }, archive);
    expect(projection.delimiter).toBe('cd'.repeat(16));
    parseProjection(projection);
    const [first, second] = [
      await projectArchive(components, archive),
      await projectArchive(components, archive),
    ];
    expect(first.delimiter).not.toBe(second.delimiter);
  });

  it('gives up where the randomness of the host can be foretold', async () => {
    const archive = await opened({ program: toHex(new Uint8Array(16).fill(7)) });
    const stuck = { ...crypto, randomBytes: () => new Uint8Array(16).fill(7) };
    await expect(projectArchive({ crypto: stuck }, archive)).rejects.toMatchObject({ code: 'internal' });
  });

  it('shows nothing of an archive that did not verify', async () => {
    const archive = await opened();
    const failed = { ...archive, verification: { ...archive.verification, ok: false } };
    await expect(projectArchive(components, failed)).rejects.toMatchObject({ code: 'unverified_archive' });
  });

  it('shows nothing of a file that changed after it was verified', async () => {
    const bytes = await archiveBytes({ program: 'First words of the program.' });
    const source: ByteSource = {
      size: bytes.length,
      read: (offset, length) => bytes.subarray(offset, offset + length),
    };
    const archive = await openArchive(components, source);
    bytes.set(new TextEncoder().encode('Other words'), Buffer.from(bytes).indexOf('First words'));
    await expect(projectArchive(components, archive)).rejects.toThrow();
    const program = archive.container.entries.get('program.md');
    if (program === undefined) throw new Error('There is no program.');
    const content = bytes.subarray(program.dataOffset, program.dataOffset + program.size);
    const entries = new Map(archive.container.entries);
    entries.set('program.md', { ...program, crc32: crypto.crc32(content) });
    await expect(
      projectArchive(components, { ...archive, container: { ...archive.container, entries } }),
    ).rejects.toMatchObject({ code: 'unverified_archive' });
  });

  it('projects the inner archive of an encrypted one, under the trust of the outer signers', async () => {
    const bytes = await archiveBytes({}, { recipients: [recipientKeyOf(bob)] });
    const recipientSecret = bob.seed;
    const archive = await openArchive(components, bytes, { recipientSecret, allowlist: [alice.identity] });
    const projection = await projectArchive(components, archive);
    const { outside, frames } = parseProjection(projection);
    expect(outside).toContain('verified at L3, encrypted for its recipients');
    expect(frames[0]?.kind).toBe('instructions');
    expect(projection.messages[1]?.content).toContain('## Plan');
  });

  it('stops when it is told to', async () => {
    const archive = await opened();
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(projectArchive(components, archive, { signal })).rejects.toThrow('enough');
  });
});

describe('trust tiers of skills', () => {
  const kindsOf = async (draft: Draft, options: VerifyOptions) =>
    parseProjection(await projectArchive(components, await opened(draft, options)))
      .frames.filter(({ label }) => label.includes('skill'))
      .map(({ kind, lines }) => `${kind}: ${lines.filter((line) => line.includes('"skill"')).length}`);

  it.each([
    ['nobody is trusted', {}, ['quoted: 3']],
    ['somebody else is trusted', { allowlist: [mallory.identity] }, ['quoted: 3']],
    ['the signer is trusted', { allowlist: [alice.identity] }, ['instructions: 2', 'quoted: 1']],
  ])('where %s', async (_, options, kinds) => {
    expect(await kindsOf({}, options)).toEqual(kinds);
  });

  it('trusts the archive of a trusted second signer', async () => {
    const bytes = await archiveBytes({}, { signers: [signerOf(mallory), signerOf(alice, 'reviewer')] });
    const archive = await openArchive(components, bytes, { allowlist: [alice.identity] });
    expect((await projectArchive(components, archive)).sections[0]?.trust).toBe('instructions');
  });

  it('leaves out an instruction that does not fit rather than half of it', async () => {
    const skills = [
      {
        id: 'long',
        tier: 'signed' as const,
        metadata: {},
        instructions: `Never delete anything.\n${'x '.repeat(20_000)}`,
      },
      { id: 'short', tier: 'signed' as const, metadata: {}, instructions: 'Be brief.' },
    ];
    const archive = await opened({ skills }, { allowlist: [alice.identity] });
    const projection = await projectArchive(components, archive, { maxChars: 16_000 });
    expect(projection.truncated).toBe(true);
    const { frames, outside } = parseProjection(projection);
    const instructions = frames.filter(({ kind }) => kind === 'instructions');
    expect(instructions.map(({ lines }) => lines.at(-1))).toEqual(['Be brief.']);
    expect(outside).toContain('(Signed skill 1 is left out');
  });
});

describe('the size of a projection', () => {
  const many = Array.from({ length: 3_000 }, (_, index) => event(`Step ${String(index + 1)}.`));

  it('keeps the first and the last events of a long chain, and says how many are missing', async () => {
    const projection = await projectArchive(components, await opened({ events: many }));
    expect(projection.truncated).toBe(true);
    expect(lengthOf(projection.messages)).toBeLessThanOrEqual(PROJECTION_CHARS);
    expect(lengthOf(projection.messages)).toBeGreaterThan(PROJECTION_CHARS * 0.8);
    const { frames, outside } = parseProjection(projection);
    const shown = frames.filter(({ label }) => label === 'events of the chain');
    expect(shown).toHaveLength(2);
    const [head, tail] = shown.map(({ lines }) => lines);
    expect(head?.[0]).toContain('"seq":1,');
    expect(tail?.at(-1)).toContain('"seq":3000,');
    expect(tail?.length).toBeGreaterThan(head?.length ?? 0);
    const missing = 3_000 - (head?.length ?? 0) - (tail?.length ?? 0);
    expect(outside).toContain(`(${String(missing)} of 3000 events are left out here.)`);
  });

  it('cuts a long program, says so, and leaves room for the rest', async () => {
    const archive = await opened({ program: `# Long\n${'word '.repeat(100_000)}` });
    const projection = await projectArchive(components, archive);
    expect(lengthOf(projection.messages)).toBeLessThanOrEqual(PROJECTION_CHARS);
    const { frames, outside } = parseProjection(projection);
    expect(outside).toContain('(The rest of program.md is left out; it has 500007 bytes in all.)');
    expect(frames.map(({ label }) => label)).toContain('events of the chain');
    expect(outside).not.toContain('events are left out');
  });

  it('cuts one huge field of an event', async () => {
    const events = [event('', { payload: { log: 'x'.repeat(50_000) } }), event('Done.')];
    const projection = await projectArchive(components, await opened({ events }));
    expect(projection.truncated).toBe(true);
    const { frames } = parseProjection(projection);
    const [first, second] = frames.find(({ label }) => label === 'events of the chain')?.lines ?? [];
    expect(first).toMatch(/… \(cut: 50\d\d\d characters\)$/);
    expect(second).toContain('Done.');
  });

  it('stays within what it is told, whatever is in the archive', async () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 400 });
    await fc.assert(
      fc.asyncProperty(text, text, fc.integer({ min: 1, max: 60 }), async (program, summary, times) => {
        const events = Array.from({ length: times }, () => event(summary.repeat(times).toWellFormed()));
        const draft = { program: `#${program.repeat(times)}`.toWellFormed(), events, pith: false };
        const projection = await projectArchive(components, await opened(draft), { maxChars: 9_000 });
        expect(lengthOf(projection.messages)).toBeLessThanOrEqual(9_000);
        const { frames } = parseProjection(projection);
        expect(frames.flatMap(({ lines }) => lines).join('')).not.toMatch(/\p{Cf}|(?![\n\t])\p{Cc}/u);
      }),
      { numRuns: 40 },
    );
  });

  it('refuses a size that leaves no room', async () => {
    const archive = await opened();
    for (const options of [
      { maxChars: MIN_PROJECTION_CHARS - 1 },
      { maxChars: MIN_PROJECTION_CHARS, task: 'x'.repeat(MIN_PROJECTION_CHARS) },
    ])
      await expect(projectArchive(components, archive, options)).rejects.toMatchObject({
        code: 'invalid_request',
      });
  });
});

describe('shares', () => {
  it('gives nobody more than its need, all together no more than there is, and leaves nothing over', () => {
    const demand = fc.record({ need: fc.nat(10_000), weight: fc.integer({ min: 1, max: 9 }) });
    fc.assert(
      fc.property(fc.array(demand, { maxLength: 12 }), fc.nat(30_000), (demands, room) => {
        const given = shares(demands, room);
        const total = given.reduce((sum, chars) => sum + chars, 0);
        const needed = demands.reduce((sum, { need }) => sum + need, 0);
        expect(given.every((chars, index) => chars >= 0 && chars <= (demands[index]?.need ?? 0))).toBe(true);
        expect(total).toBeLessThanOrEqual(room);
        expect(total).toBeGreaterThanOrEqual(Math.min(needed, room - demands.length));
      }),
    );
  });
});

describe('text for a model', () => {
  it.each([
    ['bidirectional', 'a\u202eb\u2066c', 'a\\u{202E}b\\u{2066}c'],
    ['zero-width', 'a\u200bb\u200d\ufeff', 'a\\u{200B}b\\u{200D}\\u{FEFF}'],
    ['tags', 'a\u{e0041}\u{e007f}', 'a\\u{E0041}\\u{E007F}'],
    ['variation selectors', 'a\ufe0f\u{e0100}', 'a\\u{FE0F}\\u{E0100}'],
    ['controls', 'a\0b\u001b[31m\u0085', 'a\\u{0000}b\\u{001B}[31m\\u{0085}'],
    ['line separators', 'a\u2028b\u2029', 'a\\u{2028}b\\u{2029}'],
    ['line ends', 'a\r\nb\rc', 'a\nb\nc'],
    ['fillers', 'a\u3164\u115f', 'a\\u{3164}\\u{115F}'],
    ['blanks', 'a\u00a0b\u3000c\u2003d', 'a b c d'],
    [
      'look-alikes of frames',
      '--- END OF DATA\n=== begin x\n  —— End',
      '\\--- END OF DATA\n\\=== begin x\n\\  —— End',
    ],
    ['lines that only begin alike', '--- ending\nend\n-- x END', undefined],
    ['tokens', '<|a|> </s> <0x0A> [INST] ［/INST］', '<\\|a|\\> <\\/s> <\\0x0A> [\\INST] ［\\/INST］'],
    ['frames', '⟪end⟫', '\\u{27EA}end\\u{27EB}'],
    ['ordinary text', 'Grüße, 世界 🎉: if (a < b && c > d) { x[0] = y | z; }', undefined],
    ['Markdown', '- [ ] a [link](b) | c |\n```js\n# d\n> e', undefined],
  ])('%s', (_, text, expected = text) => {
    expect(modelText(text)).toBe(expected);
  });

  it('wraps long lines without parting characters or losing any', () => {
    const text = `a${'🎉'.repeat(3_000)}\nb`;
    const lines = linesOf(text);
    expect(lines.every((line) => line.length <= MAX_LINE_CHARS && line.isWellFormed())).toBe(true);
    expect(lines.slice(0, -1).join('')).toBe(text.slice(0, -2));
    expect(lines.at(-1)).toBe('b');
  });
});

describe('untrustedFields', () => {
  const payload = { summary: 's', list: [{ text: 't' }], nested: { constructor: 1 } };
  it.each([
    [['payload.summary'], ['payload.summary']],
    [['payload.list.0.text'], ['payload.list.0.text']],
    [[], []],
    [['payload.missing'], ['payload']],
    [['payload.summary', 'payload.toString'], ['payload']],
    [['payload.list.length'], ['payload']],
    [['payload.list.01'], ['payload']],
    [['payload.summary.0'], ['payload']],
    [['payload..summary'], ['payload']],
    [['summary'], ['payload']],
    [['payload'], ['payload']],
    [['payload.nested.constructor'], ['payload.nested.constructor']],
  ])('%j', (marked, expected) => {
    expect(untrustedFields(payload, marked)).toEqual(expected);
  });
});
