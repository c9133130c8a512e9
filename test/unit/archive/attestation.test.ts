import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { IdentityAttestation } from '../../../protocols/archive/v1/schema.ts';
import { nodeArchiveCrypto as crypto } from '../../../src/archive/crypto/node-crypto.ts';
import { webArchiveCrypto } from '../../../src/archive/crypto/web-crypto.ts';
import {
  type AttestationContext,
  attestationInput,
  signAttestation,
  type TrustRoot,
  verifyAttestation,
} from '../../../src/archive/policy/attestation.ts';
import { normalizeIssuer } from '../../../src/archive/policy/trust-roots.ts';
import { parseInstant } from '../../../src/archive/strict.ts';
import { fromHex } from '../../../src/lib/hex.ts';
import { alice, bob, carol, mallory } from '../../support/keys.ts';

const CAPSULE = 'cc'.repeat(32);
const NOW = Date.parse('2026-05-07T12:00:00Z');
const claims: IdentityAttestation['claims'] = {
  capsule_id: CAPSULE,
  signer_public_key: bob.identity,
  signer_role: 'originator',
  subject: { user_id: 'user_1', org_role: 'admin' },
  issued_at: '2026-05-07T12:00:00Z',
  expires_at: '2027-05-07T12:00:00Z',
};
const pinned: TrustRoot = { issuer: 'issuer.example', kid: 'k1', publicKey: alice.identity };
const jwk = (key: string, more: object = {}): TrustRoot => ({
  issuer: 'https://issuer.example/',
  kid: 'k1',
  kty: 'OKP',
  crv: 'Ed25519',
  x: Buffer.from(key, 'hex').toString('base64url'),
  ...more,
});
const context: AttestationContext = {
  capsuleId: CAPSULE,
  signerPublicKey: bob.identity,
  issuer: 'https://issuer.example',
  trustRoots: [pinned],
  now: NOW,
};
const by = { issuer: 'https://issuer.example', kid: 'k1', signer: alice.signer };
const made = (changes: Partial<typeof claims> = {}, signer: Partial<typeof by> = {}) =>
  signAttestation({ ...claims, ...changes }, { ...by, ...signer });
const judge = (attestation: unknown, changes: Partial<AttestationContext> = {}) =>
  verifyAttestation({ crypto }, attestation, { ...context, ...changes });
const VERIFIED = 'attestation_verified';
const UNVERIFIED = 'attestation_unverified';
const REJECTED = 'attestation_rejected';

/** Changes a signed attestation without signing it again. */
const altered = async (change: (attestation: Record<string, unknown>) => void): Promise<unknown> => {
  const copy = structuredClone(await made()) as Record<string, unknown>;
  change(copy);
  return copy;
};

describe('verifyAttestation', () => {
  it('names the subject of one that is verified', async () => {
    expect(await judge(await made())).toMatchObject({ status: VERIFIED, subject: claims.subject });
    const inBrowser = await verifyAttestation({ crypto: webArchiveCrypto }, await made(), context);
    expect(inBrowser.status).toBe(VERIFIED);
  });

  it('signs the domain, a zero byte and the canonical form without the signature', async () => {
    const attestation = await made();
    const { signature, ...rest } = attestation;
    const text = Buffer.from(attestationInput(attestation)).toString();
    expect(text).toMatch(
      /^capsule-identity-attestation-v0\.6\0\{"alg":"ed25519-jcs","claims":\{"capsule_id"/,
    );
    expect(attestationInput(rest)).toEqual(attestationInput(attestation));
    expect(
      await crypto.verify(attestationInput(attestation), fromHex(signature), fromHex(alice.identity)),
    ).toBe(true);
  });

  it('covers members that it does not know', async () => {
    const unsigned = { ...(await made()), extra: { level: 2 } };
    const signature = Buffer.from(alice.signer.sign(attestationInput(unsigned))).toString('hex');
    expect((await judge({ ...unsigned, signature })).status).toBe(VERIFIED);
    expect((await judge(unsigned)).status).toBe(REJECTED);
  });

  it.each<[string, Partial<AttestationContext>, string]>([
    ['of another archive', { capsuleId: 'dd'.repeat(32) }, REJECTED],
    ['about another key', { signerPublicKey: carol.identity }, REJECTED],
    ['of another issuer', { issuer: 'other.example' }, REJECTED],
    ['of the same issuer, written otherwise', { issuer: 'ISSUER.example/' }, VERIFIED],
    ['that has expired', { now: Date.parse(claims.expires_at) }, REJECTED],
    ['that is about to expire', { now: Date.parse(claims.expires_at) - 1 }, VERIFIED],
    ['issued in the future', { now: NOW - 300_001 }, REJECTED],
    ['issued by a clock that is a little ahead', { now: NOW - 300_000 }, VERIFIED],
    ['without trust roots', { trustRoots: [] }, UNVERIFIED],
    ['with roots of others only', { trustRoots: [{ ...pinned, issuer: 'other.example' }] }, UNVERIFIED],
    ['of a kid that is not known', { trustRoots: [{ ...pinned, kid: 'k2' }] }, UNVERIFIED],
    [
      'with a root that has no kid',
      { trustRoots: [{ issuer: pinned.issuer, publicKey: alice.identity }] },
      UNVERIFIED,
    ],
    [
      'of a kid that two keys have',
      { trustRoots: [pinned, { ...pinned, publicKey: carol.identity }] },
      UNVERIFIED,
    ],
    ['with the same root twice', { trustRoots: [pinned, jwk(alice.identity)] }, VERIFIED],
    [
      'among the keys of others',
      { trustRoots: [pinned, { ...pinned, issuer: 'b.example', publicKey: mallory.identity }] },
      VERIFIED,
    ],
    ['under the wrong key', { trustRoots: [{ ...pinned, publicKey: mallory.identity }] }, REJECTED],
    ['with an OKP key', { trustRoots: [jwk(alice.identity)] }, VERIFIED],
    ['with an X25519 key', { trustRoots: [jwk(alice.identity, { crv: 'X25519' })] }, UNVERIFIED],
    ['with an EC key', { trustRoots: [jwk(alice.identity, { kty: 'EC' })] }, UNVERIFIED],
    ['with a cut OKP key', { trustRoots: [jwk(alice.identity, { x: 'AAAA' })] }, UNVERIFIED],
    [
      'with an uppercase key',
      { trustRoots: [{ ...pinned, publicKey: alice.identity.toUpperCase() }] },
      UNVERIFIED,
    ],
  ])('judges one %s', async (_, changes, status) => {
    const verdict = await judge(await made(), changes);
    expect(verdict.status).toBe(status);
    expect(verdict.subject === null).toBe(status !== VERIFIED);
    expect(verdict.reason).toMatch(/^[A-Z].*\.$/);
  });

  it.each<[string, (attestation: Record<string, unknown>) => void]>([
    [
      'a changed subject',
      (it) => Object.assign(it, { claims: { ...claims, subject: { org_role: 'owner' } } }),
    ],
    ['a changed role', (it) => Object.assign(it, { claims: { ...claims, signer_role: 'notary' } })],
    ['no binding', (it) => Object.assign(it, { claims: { ...claims, capsule_id: undefined } })],
    ['no expiry', (it) => Object.assign(it, { claims: { subject: {}, capsule_id: CAPSULE } })],
    ['another type', (it) => Object.assign(it, { typ: 'jwt' })],
    ['another version', (it) => Object.assign(it, { spec_version: '0.7' })],
    ['another algorithm', (it) => Object.assign(it, { alg: 'none' })],
    [
      'an uppercase key',
      (it) => Object.assign(it, { claims: { ...claims, signer_public_key: bob.identity.toUpperCase() } }),
    ],
    ['no signature', (it) => Reflect.deleteProperty(it, 'signature')],
    ['a cut signature', (it) => Object.assign(it, { signature: String(it.signature).slice(2) })],
    ['an added member', (it) => Object.assign(it, { note: 'me too' })],
    ['a number that JSON does not have', (it) => Object.assign(it, { note: Number.NaN })],
  ])('rejects %s', async (_, change) => {
    expect(await judge(await altered(change))).toMatchObject({ status: REJECTED, subject: null });
  });

  it.each([
    'whenever',
    '2026-13-01T00:00:00Z',
    '2027-02-30T00:00:00Z',
    '2027-05-07',
    '',
    '2027-05-07T12:00:00',
  ])('rejects the expiry %j, signed or not', async (expires_at) => {
    await expect(made({ expires_at })).rejects.toMatchObject({ code: 'invalid_request' });
    const { signature: _, ...unsigned } = await made();
    const resigned = { ...unsigned, claims: { ...claims, expires_at } };
    const signature = Buffer.from(alice.signer.sign(attestationInput(resigned))).toString('hex');
    expect((await judge({ ...resigned, signature })).status).toBe(REJECTED);
  });

  it('needs a single key where the attestation has no kid', async () => {
    const { signer, issuer } = by;
    const attestation = await signAttestation(claims, { signer, issuer });
    expect((await judge(attestation)).status).toBe(VERIFIED);
    const two = [pinned, { ...pinned, kid: 'k2', publicKey: carol.identity }];
    expect((await judge(attestation, { trustRoots: two })).status).toBe(UNVERIFIED);
  });

  it('never throws for what it is given to judge', async () => {
    await fc.assert(
      fc.asyncProperty(fc.anything(), async (value) => {
        expect((await judge(value)).status).toBe(REJECTED);
      }),
    );
  });
});

describe('the names and times of issuers', () => {
  it.each([
    ['https://LoanCo.example/', 'loanco.example'],
    ['http://loanco.example', 'loanco.example'],
    ['loanco.example', 'loanco.example'],
    ['https://loanco.example/evil', 'loanco.example/evil'],
    ['https://loanco.example@evil.example', 'loanco.example@evil.example'],
  ])('%s is %s', (issuer, name) => {
    expect(normalizeIssuer(issuer)).toBe(name);
  });

  it.each([
    ['2026-05-07T12:00:00Z', NOW],
    ['2026-05-07T14:00:00.000+02:00', NOW],
    ['2026-05-07T24:00:00Z', null],
    ['2026-02-29T00:00:00Z', null],
    ['2026-05-07 12:00:00Z', null],
    ['2026-05-07T12:00:00z', null],
  ])('%s', (text, time) => {
    expect(parseInstant(text)).toBe(time);
  });
});
