import { describe, expect, it } from 'vitest';
import { alice, bob } from '../../../support/keys.ts';
import { bench, sealed } from './sample.ts';

const reviewed = () =>
  sealed(
    {},
    {
      signers: [
        { role: 'originator', publicKey: alice.identity, sign: alice.signer.sign },
        { role: 'reviewer', publicKey: bob.identity, sign: bob.signer.sign },
      ],
    },
  );
const listed = (status: 'active' | 'revoked') => ({
  version: '1.0',
  issuer: 'example.org',
  updated_at: '2026-01-01T00:00:00Z',
  keys: [{ public_key: bob.identity, algo: 'ed25519', roles: ['reviewer'], status }],
});

describe('capsule verify with a policy', () => {
  const { at, write, run, json } = bench();
  const verify = (...args: string[]) => ['verify', at('a.capsule'), '--policy', at('policy.json'), ...args];

  async function demanding(role: string): Promise<void> {
    write('a.capsule', await reviewed());
    write('policy.json', JSON.stringify({ required: [{ role }] }));
  }

  it('is satisfied by a trusted signer in the role', async () => {
    await demanding('reviewer');
    const ran = await run(...verify('--allowlist', bob.identity));
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(/\nPolicy: satisfied\n {2}- reviewer: satisfied, 1 of 1\n/);
    expect(ran.stdout.endsWith('\nResult: PASS\n')).toBe(true);
  });

  it('fails when it is unmet, apart from the mathematics', async () => {
    await demanding('auditor');
    const ran = await run(...verify('--allowlist', bob.identity));
    expect(ran.code).toBe(1);
    expect(ran.stdout).toContain('  [✓] envelope_signature\n');
    expect(ran.stdout).toContain('\nPolicy: unmet\n');
    expect(ran.stdout.endsWith('\nResult: FAIL\n')).toBe(true);
    expect(await json(...verify('--allowlist', bob.identity))).toMatchObject({
      ok: false,
      integrity_ok: true,
      errors: [],
      envelope: { ok: true },
      policy: { status: 'unmet', requirements: [{ role: 'auditor', have: 0 }] },
    });
  });

  it.each([
    ['active', 0, 'satisfied'],
    ['revoked', 1, 'unmet'],
  ] as const)('counts a key that its issuer calls %s accordingly', async (status, code, outcome) => {
    await demanding('reviewer');
    write('signers.json', JSON.stringify(listed(status)));
    const ran = await run(...verify('--signers', at('signers.json')));
    expect(ran.code).toBe(code);
    expect(ran.stdout).toContain(`\nPolicy: ${outcome}\n`);
    expect(ran.stdout).toContain(`key=${status}`);
  });

  it('is unknown where nothing speaks for or against anybody', async () => {
    await demanding('reviewer');
    const ran = await run(...verify());
    expect(ran.code).toBe(1);
    expect(ran.stdout).toContain('\nPolicy: unknown\n');
  });

  it('takes what a signers document says for trust that was demanded', async () => {
    await demanding('reviewer');
    write('signers.json', JSON.stringify(listed('active')));
    const trusting = ['verify', at('a.capsule'), '--require-trusted', '--signers', at('signers.json')];
    expect(await run(...trusting)).toMatchObject({ code: 0 });
    write('signers.json', JSON.stringify(listed('revoked')));
    const ran = await run(...trusting);
    expect(ran.code).toBe(1);
    expect(ran.stdout).toContain('\nUnmet:\n  No trusted key has signed.\n');
  });

  it.each([
    ['a policy that is none', ['--policy', 'bad.json'], 'is no signer policy'],
    ['an attestation that is none', ['--attestation', 'bad.json'], 'is no identity attestation'],
    ['a policy that is no JSON', ['--policy', 'broken'], 'broken: '],
    [
      'a signers document that is none',
      ['--signers', 'bad.json'],
      'bad.json: The signers document cannot be used',
    ],
    ['an attestation that is not there', ['--attestation', 'missing'], 'ENOENT'],
    ['a trust root without a key', ['--trust-root', 'example.org'], 'is not ISSUER=KEY'],
    ['a trust root with a short key', ['--trust-root', 'example.org=abc'], 'has 3 hex characters'],
  ])('refuses %s', async (_, args, message) => {
    write('a.capsule', await reviewed());
    write('bad.json', '{"required":[],"carol":1}');
    write('broken', '{');
    const [option = '', value = ''] = args;
    const ran = await run('verify', at('a.capsule'), option, option === '--trust-root' ? value : at(value));
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain(message);
  });
});
