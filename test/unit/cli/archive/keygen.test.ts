import { readdirSync, readFileSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { nodeArchiveCrypto } from '../../../../src/archive/crypto/node-crypto.ts';
import { fromHex, toHex } from '../../../../src/lib/hex.ts';
import { recipientKeyOf } from '../../../support/sealing.ts';
import { bench } from './sample.ts';

describe('capsule keygen', () => {
  const { at, write, run, json } = bench();
  const text = (name: string) => readFileSync(at(name), 'utf8');

  it('prints a pair that belongs together, and what to encrypt to', async () => {
    const keys = await json('keygen');
    expect(Object.keys(keys)).toEqual([
      'algorithm',
      'public_key_hex',
      'private_key_hex',
      'recipient_public_key_hex',
    ]);
    const seed = fromHex(String(keys.private_key_hex));
    expect(keys).toMatchObject({
      algorithm: 'Ed25519',
      public_key_hex: toHex(nodeArchiveCrypto.publicKey(seed)),
      recipient_public_key_hex: recipientKeyOf({ seed }),
    });
    expect((await json('keygen')).private_key_hex).not.toBe(keys.private_key_hex);
    expect((await run('keygen')).stdout).toMatch(/^Private key: +[0-9a-f]{64}$/m);
  });

  it('writes files of which the secret one is for nobody else, and does not print it', async () => {
    const ran = await run('keygen', '--out', at('keys'), '--label', 'alice', '--json');
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(readdirSync(at('keys')).sort()).toEqual([
      'alice.private.hex',
      'alice.public.hex',
      'alice.recipient.hex',
    ]);
    expect(statSync(at('keys/alice.private.hex')).mode & 0o777).toBe(0o600);
    const secret = text('keys/alice.private.hex');
    expect(secret).toMatch(/^[0-9a-f]{64}\n$/);
    expect(ran.stdout).not.toContain(secret.trim());
    expect(JSON.parse(ran.stdout)).toMatchObject({
      algorithm: 'Ed25519',
      public_key_hex: text('keys/alice.public.hex').trim(),
      private_key_path: at('keys/alice.private.hex'),
    });
  });

  it('keeps keys that are there, unless told otherwise', async () => {
    await run('keygen', '--out', at('keys'));
    const before = text('keys/capsule.private.hex');
    const again = await run('keygen', '--out', at('keys'));
    expect(again).toMatchObject({ code: 2, stdout: '' });
    expect(again.stderr).toMatch(/^capsule: .* exists already\. \(usage\)\nReplace it with --force/);
    expect(text('keys/capsule.private.hex')).toBe(before);
    expect(await run('keygen', '--out', at('keys'), '--force')).toMatchObject({ code: 0 });
    expect(text('keys/capsule.private.hex')).not.toBe(before);
    expect(statSync(at('keys/capsule.private.hex')).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['../../evil', '.._.._evil'],
    ['..', 'capsule'],
    ['a b/c', 'a_b_c'],
    ['x'.repeat(60), 'x'.repeat(40)],
  ])('makes a name of the label %s', async (label, name) => {
    expect(await run('keygen', '--out', at('keys'), '--label', label)).toMatchObject({ code: 0 });
    expect(readdirSync(at('keys'))).toContain(`${name}.private.hex`);
  });

  it('says where it cannot write', async () => {
    write('file', 'x');
    const ran = await run('keygen', '--out', at('file/keys'));
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(/^capsule: .* cannot be written \(ENOTDIR\)\. \(usage\)\n$/);
  });
});
