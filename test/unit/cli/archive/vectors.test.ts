import { describe, expect, it } from 'vitest';
import { alice } from '../../../support/keys.ts';
import { bench, flipped, sealed } from './sample.ts';

interface Vector {
  capsule_bytes_b64: string;
  originator_public_key_hex: string;
  meta: object;
  expected: Record<string, unknown>;
}

describe('capsule vectors verify', () => {
  const { at, write, run, json } = bench();

  async function vector(bytes?: Uint8Array): Promise<Vector> {
    const archive = await sealed();
    write('a.capsule', archive);
    const envelope = await json('envelope', at('a.capsule'));
    const events = JSON.parse((await run('chain', at('a.capsule'), '--json')).stdout) as { hash: string }[];
    const [signer] = envelope.signers as { signature: string }[];
    const { capsule_id, first_event_hash, entry_hash, manifest_hash, content_index_hash } = envelope;
    return {
      meta: { generator: 'this test' },
      originator_public_key_hex: alice.identity,
      expected: {
        capsule_id,
        first_event_hash,
        entry_hash,
        manifest_hash,
        content_index_hash,
        envelope_signature_hex: signer?.signature,
        event_hashes: events.map(({ hash }) => hash),
      },
      capsule_bytes_b64: Buffer.from(bytes ?? archive).toString('base64'),
    };
  }
  const verify = (document: unknown, ...args: string[]) =>
    run('vectors', 'verify', write('v.json', JSON.stringify(document)), ...args);

  it('passes where every hash is the expected one', async () => {
    const ran = await verify(await vector());
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(/\nHash parity:\n {2}\[✓\] capsule_id +[0-9a-f]{16}…\n/);
    expect(ran.stdout).toMatch(/\[✓\] event_hashes\[\] +3\/3 match\n\nResult: PASS\n$/);
    expect(JSON.parse((await verify(await vector(), '--json')).stdout)).toMatchObject({
      ok: true,
      diffs: [],
    });
  });

  it('fails at any difference and names the field', async () => {
    const { expected, ...rest } = await vector();
    const wrong = 'ab'.repeat(32);
    const hashes = [wrong, ...(expected.event_hashes as string[]).slice(1)];
    const document = { ...rest, expected: { ...expected, entry_hash: wrong, event_hashes: hashes } };
    const ran = await verify(document);
    expect(ran.code).toBe(1);
    expect(ran.stdout).toMatch(/\[✗\] entry_hash /);
    expect(ran.stdout).toMatch(/\[✗\] event_hashes\[\] +2\/3 match\n/);
    expect(ran.stdout.endsWith('\nResult: FAIL\n')).toBe(true);
    expect(JSON.parse((await verify(document, '--json')).stdout)).toMatchObject({
      ok: false,
      diffs: [
        { field: 'entry_hash', expected: wrong },
        { field: 'event_hashes[0]', expected: wrong },
      ],
    });
    const fewer = { ...rest, expected: { event_hashes: [] } };
    expect(JSON.parse((await verify(fewer, '--json')).stdout)).toMatchObject({
      diffs: [{ field: 'event_hashes.length', expected: 0, observed: 3 }],
    });
  });

  it('does not pass for a file that expects nothing', async () => {
    const ran = await verify({ ...(await vector()), expected: { capsuleid: 'a typing error' } });
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(/^capsule: .*v\.json is not a vector file: it expects none of capsule_id, /);
  });

  it('fails where the archive does not verify, with every hash as expected', async () => {
    const ran = await verify(await vector(flipped(await sealed(), 'towel')), '--json');
    expect(ran.code).toBe(1);
    expect(JSON.parse(ran.stdout)).toMatchObject({ ok: false, diffs: [], failing: ['content_index'] });
  });

  it.each([
    ['no JSON', '{', 'invalid_json'],
    ['no vector', '{"expected":{}}', 'usage'],
    ['no Base64', '{"expected":{},"capsule_bytes_b64":"%"}', 'usage'],
    ['no archive', '{"expected":{"capsule_id":"00"},"capsule_bytes_b64":"aGVsbG8="}', 'invalid_archive'],
  ])('refuses %s with 2', async (_, content, code) => {
    const ran = await run('vectors', 'verify', write('v.json', content), '--json');
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(new RegExp(`^capsule: .*\\. \\(${code}\\)\\n$`));
    if (code === 'invalid_json') expect(ran.stderr).toContain('v.json: ');
    expect(JSON.parse(ran.stdout)).toMatchObject({ ok: false, error: { code } });
  });
});
