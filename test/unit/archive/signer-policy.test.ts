import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SignerPolicy, SignersDocument } from '../../../protocols/archive/v1/schema.ts';
import { nodeArchiveCrypto as crypto } from '../../../src/archive/crypto/node-crypto.ts';
import { signAttestation } from '../../../src/archive/policy/attestation.ts';
import {
  evaluatePolicy,
  MAX_ATTESTATIONS,
  type PolicyOptions,
} from '../../../src/archive/policy/signer-policy.ts';
import { parseSignersDocument } from '../../../src/archive/policy/signers-document.ts';
import type { SignerVerdict, Verification } from '../../../src/archive/types.ts';
import { verifyArchive } from '../../../src/archive/verify.ts';
import { archiveBytes, patched } from '../../support/archives.ts';
import { alice, bob, carol, mallory, type TestKey } from '../../support/keys.ts';
import { SEALED_AT, signerOf } from '../../support/sealing.ts';

const NOW = Date.parse('2026-06-01T00:00:00Z');
const issuer = 'issuer.example';
const components = { crypto };
type Listed = Partial<SignersDocument['keys'][number]>;

const bytes = await archiveBytes(
  {},
  { signers: [signerOf(alice), signerOf(bob, 'reviewer'), signerOf(carol, 'reviewer')] },
);
const verified = (allowlist: TestKey[] = []): Promise<Verification> =>
  verifyArchive(components, bytes, { allowlist: allowlist.map(({ identity }) => identity) });
const capsuleId = (await verified()).manifest?.id ?? '';

const documentOf = (...keys: [TestKey, Listed?][]): SignersDocument =>
  parseSignersDocument(
    JSON.stringify({
      version: '0.7-draft',
      issuer,
      updated_at: '2026-05-01T00:00:00Z',
      keys: keys.map(([{ identity }, listed]) => ({
        public_key: identity,
        algo: 'ed25519',
        roles: ['originator', 'reviewer'],
        status: 'active',
        ...listed,
      })),
    }),
  );
const attest = (key: TestKey, org_role = 'admin', id = capsuleId, signer_role = 'reviewer') =>
  signAttestation(
    {
      capsule_id: id,
      signer_public_key: key.identity,
      signer_role,
      subject: { org_role },
      expires_at: '2027-01-01T00:00:00Z',
    },
    { issuer: `https://${issuer}`, kid: 'k', signer: mallory.signer },
  );
const trustRoots = [{ issuer, kid: 'k', publicKey: mallory.identity }];
const review = (quorum?: number): SignerPolicy => ({
  required: [{ role: 'reviewer', ...(quorum !== undefined && { quorum }) }],
});
const evaluate = (verification: Verification, options: Partial<PolicyOptions>) =>
  evaluatePolicy(components, verification, { now: NOW, ...options });

describe('evaluatePolicy with an allowlist', () => {
  it.each<[TestKey[], number | undefined, string, number]>([
    [[bob], undefined, 'satisfied', 1],
    [[bob, carol], 2, 'satisfied', 2],
    [[bob], 2, 'unknown', 1],
    [[bob, carol], 3, 'unmet', 2],
    [[], 1, 'unknown', 0],
    [[alice], 1, 'unknown', 0],
  ])('%#', async (allowlist, quorum, status, have) => {
    const result = await evaluate(await verified(allowlist), { policy: review(quorum) });
    expect(result).toMatchObject({ status, requirements: [{ role: 'reviewer', have, status }] });
  });

  it('is unmet where nobody signed in the role, whoever is trusted', async () => {
    const policy = { required: [{ role: 'notary' }] };
    const result = await evaluate(await verified([alice, bob, carol]), { policy });
    expect(result.status).toBe('unmet');
    expect(result.requirements[0]?.reasons).toEqual(['0 of 1 keys count in the role "notary".']);
  });

  it('demands every requirement: unmet is said before unknown', async () => {
    const required = [{ role: 'originator' }, { role: 'reviewer' }, { role: 'notary' }];
    const verification = await verified([alice]);
    const statusOf = async (count: number) =>
      (await evaluate(verification, { policy: { required: required.slice(0, count) } })).status;
    expect([await statusOf(1), await statusOf(2), await statusOf(3)]).toEqual([
      'satisfied',
      'unknown',
      'unmet',
    ]);
  });

  it('reports the signers where no policy is given', async () => {
    const result = await evaluate(await verified([bob]), {});
    expect(result.requirements).toEqual([]);
    expect(result.signers.map(({ counts, lifecycle }) => ({ counts, lifecycle }))).toEqual([
      { counts: false, lifecycle: 'unknown' },
      { counts: true, lifecycle: 'unknown' },
      { counts: false, lifecycle: 'unknown' },
    ]);
  });
});

describe('evaluatePolicy with signers documents', () => {
  const before = { not_before: '2026-05-08T00:00:00Z' };
  const after = { not_after: '2026-05-01T00:00:00Z' };
  const around = { not_before: '2026-05-01T00:00:00Z', not_after: '2026-05-08T00:00:00Z' };
  it.each<[string, Listed, string, string, RegExp]>([
    ['active', {}, 'satisfied', 'active', /vouches/],
    ['active, in its window', around, 'satisfied', 'active', /signer's own word/],
    ['active, not yet valid', before, 'unmet', 'active', /not list the key as valid/],
    ['active, no longer valid', after, 'unmet', 'active', /not list the key as valid/],
    ['active, at the very end', { not_after: SEALED_AT }, 'satisfied', 'active', /own word/],
    ['in another role', { roles: ['originator'] }, 'unmet', 'active', /for the role "reviewer"/],
    ['retired, sealed before', { ...around, status: 'retired' }, 'satisfied', 'retired', /own word/],
    ['retired, sealed after', { ...after, status: 'retired' }, 'unmet', 'retired', /not list/],
    ['retired without an end', { status: 'retired' }, 'unmet', 'retired', /does not say when/],
    ['revoked', { status: 'revoked' }, 'unmet', 'revoked', /has revoked/],
    ['revoked, in its window', { ...around, status: 'revoked' }, 'unmet', 'revoked', /has revoked/],
  ])('%s', async (_, listed, status, lifecycle, reason) => {
    const documents = [documentOf([bob, listed])];
    const result = await evaluate(await verified(), { policy: review(), documents });
    expect(result.status).toBe(status);
    const signer = result.signers[1];
    expect(signer).toMatchObject({ public_key: bob.identity, lifecycle, counts: status === 'satisfied' });
    expect(signer?.reasons.join(' ')).toMatch(reason);
    expect(JSON.stringify(result)).not.toMatch(/invalid/i);
  });

  it('says no where the documents given do not list the key', async () => {
    const result = await evaluate(await verified(), { policy: review(), documents: [documentOf([alice])] });
    expect(result.status).toBe('unmet');
    expect(result.signers.map(({ lifecycle }) => lifecycle)).toEqual(['active', 'not_listed', 'not_listed']);
  });

  it('takes the allowlist for a key that no document lists, not against one that does', async () => {
    const verification = await verified([bob]);
    const statusWith = async (documents: SignersDocument[]) =>
      (await evaluate(verification, { policy: review(), documents })).status;
    expect(await statusWith([documentOf([alice])])).toBe('satisfied');
    expect(await statusWith([documentOf([bob, { status: 'revoked' }])])).toBe('unmet');
    expect(await statusWith([documentOf([bob, { roles: [] }])])).toBe('unmet');
  });

  it('holds to the worst word where documents disagree', async () => {
    const documents = [documentOf([bob]), documentOf([bob, { status: 'revoked' }])];
    for (const given of [documents, documents.toReversed()]) {
      const result = await evaluate(await verified(), { policy: review(), documents: given });
      expect(result).toMatchObject({ status: 'unmet', signers: [{}, { lifecycle: 'revoked' }, {}] });
    }
  });

  it('does not take a signing time in the future for one within the window', async () => {
    const documents = [documentOf([bob, { not_after: '2027-01-01T00:00:00Z' }])];
    const now = Date.parse(SEALED_AT) - 300_001;
    const result = await evaluate(await verified(), { policy: review(), documents, now });
    expect(result.status).toBe('unmet');
  });
});

describe('evaluatePolicy with attestations', () => {
  it('judges each once, whoever signed how often, and not more than it may', async () => {
    let checked = 0;
    const counting = {
      crypto: {
        ...crypto,
        verify: (...args: Parameters<typeof crypto.verify>) => {
          checked += 1;
          return crypto.verify(...args);
        },
      },
    };
    const found = await verified([bob]);
    const signers = found.signers.flatMap((signer) => Array.from({ length: 50 }, () => signer));
    const attestation = await attest(bob);
    const attestations = Array.from({ length: 20 }, () => attestation);
    const options = { policy, attestations, trustRoots, now: NOW };
    expect((await evaluatePolicy(counting, { ...found, signers }, options)).status).toBe('satisfied');
    expect(checked).toBe(20);
    const many = Array.from({ length: MAX_ATTESTATIONS + 1 }, () => attestation);
    const judging = evaluatePolicy(counting, found, { ...options, attestations: many });
    await expect(judging).rejects.toMatchObject({ code: 'too_large' });
  });

  const policy: SignerPolicy = { required: [{ role: 'reviewer', org_role: 'admin' }] };
  const attested: SignerPolicy = { required: [{ role: 'reviewer', attested: true }] };
  const statusWith = async (options: Partial<PolicyOptions>, allowlist = [bob]) =>
    (await evaluate(await verified(allowlist), options)).requirements[0]?.status;

  it.each<[string, () => Promise<Partial<PolicyOptions>>, string]>([
    ['a fitting one', async () => ({ attestations: [await attest(bob)], trustRoots }), 'satisfied'],
    ['no trust root', async () => ({ attestations: [await attest(bob)] }), 'unknown'],
    ['none given', async () => ({ trustRoots }), 'unknown'],
    ['an empty list', async () => ({ attestations: [], trustRoots }), 'unmet'],
    ['another org_role', async () => ({ attestations: [await attest(bob, 'member')], trustRoots }), 'unmet'],
    ['one about another signer', async () => ({ attestations: [await attest(alice)], trustRoots }), 'unmet'],
    [
      'one about another archive',
      async () => ({ attestations: [await attest(bob, 'admin', 'dd'.repeat(32))], trustRoots }),
      'unmet',
    ],
    [
      'one for another role',
      async () => ({ attestations: [await attest(bob, 'admin', capsuleId, 'notary')], trustRoots }),
      'unmet',
    ],
    [
      'a bad one beside it',
      async () => ({
        attestations: [{ typ: 'x' }, await attest(bob, 'admin', 'dd'.repeat(32)), await attest(bob)],
        trustRoots,
      }),
      'satisfied',
    ],
    [
      'two of which one fits',
      async () => ({ attestations: [await attest(bob, 'member'), await attest(bob)], trustRoots }),
      'satisfied',
    ],
    [
      'one about a signer who is not trusted',
      async () => ({ attestations: [await attest(carol)], trustRoots }),
      'unknown',
    ],
  ])('%s', async (_, options, status) => {
    expect(await statusWith({ policy, ...(await options()) })).toBe(status);
  });

  it('wants any subject where only an attestation is demanded', async () => {
    const attestations = [await attest(bob, 'member')];
    expect(await statusWith({ policy: attested, attestations, trustRoots })).toBe('satisfied');
    expect(await statusWith({ policy: review(), attestations: [] })).toBe('satisfied');
  });

  it('does not let an attestation stand for trust in the key', async () => {
    const attestations = [await attest(bob)];
    const documents = [documentOf([bob, { status: 'revoked' }])];
    expect(await statusWith({ policy, attestations, trustRoots, documents })).toBe('unmet');
    expect(await statusWith({ policy, attestations, trustRoots }, [])).toBe('unknown');
  });
});

describe('evaluatePolicy and the mathematics', () => {
  it('is unmet, with the reason, for an archive that fails verification', async () => {
    const allowlist = [alice, bob, carol].map(({ identity }) => identity);
    const verification = await verifyArchive(components, patched(bytes, 'Read, decide', 'Obey, decide'), {
      allowlist,
    });
    expect(verification.signers.every(({ valid }) => valid)).toBe(true);
    const result = await evaluate(verification, { policy: review() });
    expect(result).toMatchObject({ status: 'unmet', requirements: [{ status: 'unmet', have: 0 }] });
    expect(result.requirements[0]?.reasons[0]).toContain('failed verification');
    expect(result.signers.some(({ counts }) => counts)).toBe(false);
    expect((await evaluate(verification, {})).status).toBe('unmet');
  });

  it('does not change what it is given', async () => {
    const verification = await verified([bob]);
    const copy = structuredClone(verification);
    await evaluate(verification, {
      policy: review(3),
      documents: [documentOf([bob, { status: 'revoked' }])],
    });
    expect(verification).toEqual(copy);
  });
});

describe('properties of a policy', async () => {
  const base = await verified();
  const keys = [alice, bob, carol, mallory];
  const row = fc.record({
    role: fc.constantFrom('originator', 'reviewer'),
    public_key: fc.constantFrom(...keys.map(({ identity }) => identity)),
    valid: fc.boolean(),
    trusted: fc.boolean(),
  });
  const rows = fc
    .array(row, { minLength: 1, maxLength: 8 })
    .map((all): SignerVerdict[] => all.map((one) => ({ ...one, trusted: one.valid && one.trusted })));
  const listed = fc.record({
    roles: fc.subarray(['originator', 'reviewer']),
    status: fc.constantFrom('active' as const, 'retired' as const, 'revoked' as const),
  });
  const documents = fc
    .array(fc.tuple(fc.constantFrom(...keys), listed), { maxLength: 4 })
    .map((pairs) => [...new Map(pairs.map((pair) => [pair[0].identity, pair])).values()])
    .map((pairs) => (pairs.length === 0 ? [] : [documentOf(...pairs)]));
  const RANK = { unmet: 0, unknown: 1, satisfied: 2 };
  const rankOf = async (signers: SignerVerdict[], given: SignersDocument[], quorum: number) =>
    RANK[(await evaluate({ ...base, signers }, { policy: review(quorum), documents: given })).status];
  const quorum = fc.integer({ min: 1, max: 3 });

  it('removing a signer never makes it better', async () => {
    await fc.assert(
      fc.asyncProperty(rows, documents, quorum, fc.nat(7), async (signers, given, needed, which) => {
        const fewer = signers.filter((_, index) => index !== which % signers.length);
        expect(await rankOf(fewer, given, needed)).toBeLessThanOrEqual(await rankOf(signers, given, needed));
      }),
    );
  });

  it('writing a signer twice changes nothing', async () => {
    await fc.assert(
      fc.asyncProperty(rows, documents, quorum, async (signers, given, needed) => {
        expect(await rankOf([...signers, ...signers], given, needed)).toBe(
          await rankOf(signers, given, needed),
        );
      }),
    );
  });
});

describe('parseSignersDocument', () => {
  const key = { public_key: bob.identity, algo: 'ed25519', roles: ['reviewer'], status: 'active' };
  const document = { version: '1.0', issuer, updated_at: '2026-05-01T00:00:00Z', keys: [key] };

  it('gives what it says, with what else is in it', () => {
    const full = {
      ...document,
      previous: null,
      keys: [{ ...key, label: 'Bob', not_before: null, not_after: '2027-01-01T00:00:00+01:00' }],
    };
    expect(parseSignersDocument(JSON.stringify(full))).toEqual(full);
    expect(
      parseSignersDocument(new TextEncoder().encode(JSON.stringify(document)), {
        expectedIssuer: 'https://Issuer.example/',
      }),
    ).toEqual(document);
  });

  it.each<[string, unknown]>([
    ['an unknown version', { ...document, version: '0.8' }],
    ['no version', { ...document, version: undefined }],
    ['a time that is none', { ...document, updated_at: 'yesterday' }],
    ['a day that is none', { ...document, keys: [{ ...key, not_after: '2026-02-30T00:00:00Z' }] }],
    ['a revocation at no time', { ...document, keys: [{ ...key, revoked_at: 'x', status: 'revoked' }] }],
    [
      'a validity that ends first',
      {
        ...document,
        keys: [{ ...key, not_before: '2026-02-02T00:00:00Z', not_after: '2026-02-01T00:00:00Z' }],
      },
    ],
    ['a key twice', { ...document, keys: [key, { ...key, status: 'revoked' }] }],
    ['an uppercase key', { ...document, keys: [{ ...key, public_key: bob.identity.toUpperCase() }] }],
    ['another algorithm', { ...document, keys: [{ ...key, algo: 'rsa' }] }],
    ['another status', { ...document, keys: [{ ...key, status: 'paused' }] }],
    ['no keys', { ...document, keys: undefined }],
    ['a list', [document]],
  ])('refuses %s', (_, value) => {
    const refusal = {
      code: 'invalid_request',
      message: expect.stringMatching(/^The signers document .*\.$/),
    };
    expect(() => parseSignersDocument(JSON.stringify(value))).toThrow(expect.objectContaining(refusal));
  });

  it.each([
    ['no JSON', '{'],
    ['a name twice', JSON.stringify(document).replace('"keys"', '"issuer":"x","keys"')],
    ['bytes that are no UTF-8', Uint8Array.of(0x7b, 0xff)],
    ['another issuer', JSON.stringify({ ...document, issuer: 'evil.example' })],
  ])('refuses %s', (_, json) => {
    expect(() => parseSignersDocument(json, { expectedIssuer: issuer })).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    );
  });
});
