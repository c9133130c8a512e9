import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Compile } from 'typebox/compile';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { nodeArchiveCrypto } from '../../src/archive/crypto/node-crypto.ts';
import { sealToBytes } from '../../src/archive/seal/seal.ts';
import { bytesSource } from '../../src/archive/source.ts';
import type { ArchiveDraft, EventDraft } from '../../src/archive/types.ts';
import { verifyArchive } from '../../src/archive/verify.ts';
import { readEntry } from '../../src/archive/zip/content.ts';
import { openContainer } from '../../src/archive/zip/reader.ts';
import { alice, bob, type TestKey } from '../support/keys.ts';
import { Results } from '../vectors/conformance/results.ts';
import { runFolder } from '../vectors/conformance/run.ts';
import { json, table } from '../vectors/conformance/table.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const own = join(root, 'protocols/archive/v1/vectors');
const script = (...args: string[]) =>
  spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  });

const signs = ({ identity, signer }: TestKey, role: string) => ({
  role,
  publicKey: identity,
  sign: signer.sign,
});

const run = async (folder: string): Promise<Results> => {
  const results = new Results();
  await runFolder(results, folder, 'folder');
  return results;
};
const failures = ({ outcomes }: Results): string[] =>
  outcomes.filter(({ passed }) => !passed).map(({ vector, got }) => `${vector}: ${got}`);

/** The draft of `valid/output/two-signers.capsule`, of which the generator makes every byte by itself. */
const DRAFT: ArchiveDraft = {
  program: '# Offers\n\nWhich of two offers to take.\n',
  participants: [
    { actor_id: 'human:alice', role: 'originator', label: 'Alice' },
    { actor_id: 'ai:reviewer', role: 'reviewer', label: 'Reviewer' },
  ],
  originatorLabel: 'Alice',
  events: [
    draft('human:alice', 'decision', 'asked', { summary: 'Compare both offers.' }),
    {
      ...draft('ai:reviewer', 'observation', 'compared', { note: 'The second is cheaper.' }),
      untrusted_payload_fields: ['payload.note'],
    },
    draft('human:alice', 'decision', 'accepted', { amount: 42 }),
  ],
};

function draft(actor: string, kind: EventDraft['kind'], action: string, payload: JsonObject): EventDraft {
  return { actor, kind, action, target: 'program.md', payload };
}

describe('our own vectors of the archive format', () => {
  let results: Results;
  beforeAll(async () => {
    results = await run(own);
  });

  it('hold, every one', () => {
    expect(results.outcomes.filter(({ passed }) => !passed)).toEqual([]);
  });

  it('are of every shape and cover every area', () => {
    const sets = new Set(results.outcomes.map(({ set }) => set.replace(/^folder\//, '')));
    expect([...sets].sort()).toEqual([
      'chain/vectors.json',
      'content-index/vectors.json',
      'continued/vectors.json',
      'documents/vectors.json',
      'embedded.json',
      'encrypted/vectors.json',
      'envelope/vectors.json',
      'layout/vectors.json',
      'numbers.json',
      'pith.json',
      'signing-input.json',
      'valid/vectors.json',
    ]);
    expect(results.skipped).toEqual([{ file: 'folder/keys.json', reason: 'keys' }]);
    expect(results.passed).toBeGreaterThan(200);
  });

  it('are what the sealer makes of the same draft', async () => {
    const { bytes } = await sealToBytes({ crypto: nodeArchiveCrypto }, DRAFT, {
      signers: [signs(alice, 'originator'), signs(bob, 'reviewer')],
      sealedAt: '2026-05-21T12:00:00Z',
    });
    const verify = (archive: Uint8Array) => verifyArchive({ crypto: nodeArchiveCrypto }, archive);
    const sealed = await verify(bytes);
    const vector = await verify(new Uint8Array(readFileSync(join(own, 'valid/output/two-signers.capsule'))));
    expect(sealed.events).toEqual(vector.events);
    // The order of members in a line of the chain is the writer's own, so that the file and what covers it may differ.
    expect({ ...sealed.manifest, content_index: null }).toEqual({ ...vector.manifest, content_index: null });
    expect(sealed.envelope?.entry_hash).toBe(vector.envelope?.entry_hash);
    expect(sealed.signers).toEqual(vector.signers);
  });

  it('are what the generator writes', () => {
    const { status, stderr } = script('test/vectors/generate-archive-vectors.ts', '--check');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});

describe('the published schema', () => {
  const { $defs } = JSON.parse(readFileSync(join(root, 'protocols/archive/v1/schema.json'), 'utf8'));
  const read = async (name: string, path: string) => {
    const source = bytesSource(new Uint8Array(readFileSync(join(own, name))));
    const container = await openContainer({ crypto: nodeArchiveCrypto }, source);
    const entry = container.entries.get(path);
    if (entry === undefined) throw new Error(`${path} is not in ${name}.`);
    return new TextDecoder().decode(await readEntry({ crypto: nodeArchiveCrypto }, container, entry));
  };

  it.each([
    ['manifest', 'valid/output/full.capsule', 'manifest.json'],
    ['envelope', 'valid/output/two-signers.capsule', 'provenance/envelope.json'],
    ['event', 'valid/output/backstop.capsule', 'chain/events.jsonl'],
    ['decryption', 'valid/output/encrypted-to-two.capsule', 'skills/decryption/decryption.json'],
  ])(
    'has a definition of %s, which takes members it does not know and misses those it needs',
    async (definition, name, path) => {
      const schema = Compile($defs[definition]);
      const document = JSON.parse(await read(name, path));
      expect(schema.Check(document)).toBe(true);
      expect(schema.Check({ ...document, surprise: 1 })).toBe(true);
      for (const member of $defs[definition].required)
        expect(schema.Check({ ...document, [member]: undefined })).toBe(false);
    },
  );

  it('has the documents beside archives as well', () => {
    expect(Object.keys($defs)).toEqual([
      'manifest',
      'event',
      'envelope',
      'decryption',
      'signers',
      'attestation',
      'policy',
    ]);
  });
});

describe('the runner', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'capsule-vectors-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const write = (name: string, value: unknown) => writeFileSync(join(folder, name), JSON.stringify(value));
  const archive = (name: string) => readFileSync(join(own, name));
  /** A collection without the word that makes it exact, as other implementations write theirs. */
  const foreign = (...vectors: object[]) => write('vectors.json', { keys_file: 'keys.json', vectors });
  const putArchive = (from: string, as: string) => {
    cpSync(join(own, 'keys.json'), join(folder, 'keys.json'));
    cpSync(join(own, from), join(folder, as));
  };

  it('rejects for a folder that is not there', async () => {
    await expect(run(join(folder, 'absent'))).rejects.toThrow(/ENOENT/);
  });

  it('rejects where folders lie deeper than it looks, rather than leave vectors out', async () => {
    write('numbers.json', { vectors: [{ ieee_hex: '3ff0000000000000', expected: '1' }] });
    mkdirSync(join(folder, ...'abcdefghi'), { recursive: true });
    await expect(run(folder)).rejects.toThrow(/deeper than 8/);
  });

  it('fails for a folder without a vector', async () => {
    write('registry.json', { meta: { kind: 'vector-registry' } });
    const results = await run(folder);
    expect(failures(results)).toEqual(['(any): no vector']);
    expect(results.skipped).toEqual([
      { file: 'folder/registry.json', reason: 'not a vector of this format: kind "vector-registry"' },
    ]);
  });

  it('fails for a document that is meant as a vector and cannot be run', async () => {
    write('emptied.json', { vectors: [] });
    write('half.json', { capsule_bytes_b64: 'AA==' });
    writeFileSync(join(folder, 'torn.json'), '{');
    expect(failures(await run(folder)).map((line) => line.split(':')[0])).toEqual([
      'emptied.json',
      'half.json',
      'torn.json',
    ]);
  });

  it('fails where an archive verifies that should not, and the other way round', async () => {
    putArchive('valid/output/minimal.capsule', 'good.capsule');
    cpSync(join(own, 'chain/output/broken-link.capsule'), join(folder, 'bad.capsule'));
    foreign(
      { name: 'good', capsule_file: 'good.capsule', expected: { ok: false, failing: ['chain'] } },
      { name: 'bad', capsule_file: 'bad.capsule', expected: { ok: true } },
      { name: 'absent', capsule_file: 'absent.capsule', expected: { ok: true } },
    );
    const found = failures(await run(folder));
    expect(found[0]).toBe('good: ok; ok is true; chain does not fail');
    expect(found[1]).toBe('bad: fails chain; ok is false');
    expect(found[2]).toMatch(/^absent: ENOENT/);
  });

  it('takes more failing areas than were named from others, and not from us', async () => {
    putArchive('chain/output/event-changed.capsule', 'changed.capsule');
    const vectors = [
      { name: 'changed', capsule_file: 'changed.capsule', expected: { ok: false, failing: ['chain'] } },
    ];
    foreign(...vectors);
    expect(failures(await run(folder))).toEqual([]);
    write('vectors.json', { meta: { comparison: 'exact' }, keys_file: 'keys.json', vectors });
    expect(failures(await run(folder))).toEqual([
      'changed: fails content_index chain; only chain should fail',
    ]);
  });

  it('knows the names that others have for what is refused', async () => {
    putArchive('documents/output/manifest-without-index.capsule', 'shape.capsule');
    cpSync(join(own, 'valid/output/deflate-entry.capsule'), join(folder, 'deflate.capsule'));
    cpSync(join(own, 'layout/output/traversal.capsule'), join(folder, 'traversal.capsule'));
    const open = (reason: string) => ({ ok: false, stage: 'open', reason });
    foreign(
      { name: 'shape', capsule_file: 'shape.capsule', expected: open('invalid_manifest_shape') },
      { name: 'deflate', capsule_file: 'deflate.capsule', expected: open('unsupported_compression') },
      { name: 'traversal', capsule_file: 'traversal.capsule', expected: open('symlink_entry') },
    );
    expect(failures(await run(folder))).toEqual([
      'traversal: refused layout unsafe_path; the reason is not symlink_entry',
    ]);
  });

  it('says which vectors ask for what this format does not have', async () => {
    putArchive('valid/output/minimal.capsule', 'good.capsule');
    foreign(
      { name: 'good', capsule_file: 'good.capsule', expected: { ok: true } },
      { name: 'later', capsule_file: 'good.capsule', expected: { ok: false, failing: ['lineage'] } },
    );
    const { skipped, passed } = await run(folder);
    expect(passed).toBe(1);
    expect(skipped.at(-1)?.reason).toBe('not a vector of this format: it names the area lineage');
  });

  it('takes archives beside keys by their names', async () => {
    const archives = join(folder, 'archives');
    mkdirSync(archives);
    const copy = (from: string, as: string) => cpSync(join(own, from), join(archives, as));
    copy('keys.json', 'keys.json');
    copy('valid/output/minimal.capsule', 'clean.capsule');
    copy('valid/output/encrypted.capsule', 'clean-encrypted.capsule');
    copy('content-index/output/payload-changed.capsule', 'tampered-payload.capsule');
    copy('chain/output/event-changed-and-resealed.capsule', 'tampered-chain.capsule');
    copy('valid/output/full.capsule', 'other.capsule');
    const results = await run(folder);
    expect(results.outcomes.map(({ vector, passed }) => `${vector} ${String(passed)}`).sort()).toEqual([
      'clean-encrypted.capsule (L3) true',
      'clean-encrypted.capsule true',
      'clean.capsule true',
      'tampered-chain.capsule false',
      'tampered-payload.capsule true',
    ]);
    expect(results.skipped.map(({ file }) => file)).toContain('folder/archives/other.capsule');
  });

  it('compares every hash that an embedded archive pins', async () => {
    const document = JSON.parse(archive('embedded.json').toString());
    document.expected.entry_hash = 'ab'.repeat(32);
    document.expected.event_hashes.pop();
    write('embedded.json', document);
    expect((await run(folder)).outcomes.filter(({ passed }) => !passed).map(({ vector }) => vector)).toEqual([
      'entry_hash',
      'event_hashes',
    ]);
  });

  it('compares the order of names, signatures and numbers', async () => {
    const signature = {
      public_key_hex: `01${'00'.repeat(31)}`,
      message_hex: '72',
      signature_hex: `01${'00'.repeat(63)}`,
    };
    write('order.json', {
      meta: { kind: 'jcs-key-order' },
      vectors: [
        { name: 'two', keys: ['b', 'a'], canonical_utf8_hex: Buffer.from('{"a":1,"b":0}').toString('hex') },
      ],
    });
    write('signatures.json', {
      meta: { kind: 'ed25519-verify' },
      vectors: [
        { name: 'small order', ...signature, expected: { valid: false } },
        { name: 'wrongly expected', ...signature, expected: { valid: true } },
      ],
    });
    write('numbers.json', { vectors: [{ ieee_hex: '3ff0000000000000', expected: '1.0' }] });
    expect(failures(await run(folder))).toEqual(['3ff0000000000000: 1', 'wrongly expected: not valid']);
  });

  it('prints a table and one document', async () => {
    write('numbers.json', {
      vectors: [
        { ieee_hex: '3ff0000000000000', expected: '1' },
        { ieee_hex: '4000000000000000', expected: '2.0' },
      ],
    });
    write('notes.json', {});
    const results = await run(folder);
    const lines = table(results).trimEnd().split('\n');
    expect(lines[1]).toMatch(/^folder\/numbers.json +3ff0000000000000 +1 +1 +PASS$/);
    expect(lines[2]).toMatch(/ 2\.0 +2 +FAIL$/);
    expect(lines.slice(3)).toEqual(['skipped folder/notes.json: not a vector', '1 passed, 1 failed']);
    expect(JSON.parse(json(results))).toMatchObject({ ok: false, passed: 1, failed: 1, skipped: [{}] });
  });
});

describe('npm run conformance', () => {
  it('gives one document for one vector, and exits 0', () => {
    const { status, stdout } = script('test/vectors/conformance.ts', '--json', '--only', 'pith');
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, failed: 0 });
  });

  it('says that a folder is not there, and exits 1', () => {
    const { status, stdout } = script('test/vectors/conformance.ts', '../no-such-folder', '--only', 'pith');
    expect(status).toBe(1);
    expect(stdout).toMatch(/no-such-folder .*ENOENT.*FAIL\n\d+ passed, 1 failed\n$/s);
  });

  it.each([[['--colour']], [['--fuzz', 'long']], [['--fuzz', '0']]])('exits 2 for %j', (args) => {
    const { status, stderr } = script('test/vectors/conformance.ts', ...args);
    expect(status).toBe(2);
    expect(stderr).toContain('Usage:');
  });

  it('exits 1 where no vector has the name', () => {
    const { status, stdout, stderr } = script(
      'test/vectors/conformance.ts',
      '--json',
      '--only',
      'nothing-like-it',
    );
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, passed: 0, failed: 0 });
    expect(stderr).toBe('No vector is named "nothing-like-it".\n');
  });
});
