import { describe, expect, it } from 'vitest';
import { run } from '../../../capabilities/archive/index.ts';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { nodeArchiveCrypto } from '../../../src/archive/crypto/node-crypto.ts';
import { openArchive } from '../../../src/archive/open-verified.ts';
import { readArchive } from '../../../src/archive/read-unverified.ts';
import { readEntry } from '../../../src/archive/zip/content.ts';
import { defaultGrants } from '../../../src/daemon/default-grants.ts';
import { toHex } from '../../../src/lib/hex.ts';
import { intentOf, memoryApi } from '../../support/capability-api.ts';
import { outputCheck } from '../../support/capability-manifest.ts';
import { errorOf, request, resultOf, startedEngine } from '../../support/engine.ts';
import { alice, bob } from '../../support/keys.ts';

const components = { crypto: nodeArchiveCrypto };
const PROGRAM = '# Offer\n\nThree rooms.\n';

/** Bob seals what Alice hands in. */
async function ask(capability: string, payload: JsonObject, origin = alice.identity): Promise<JsonObject> {
  const seal = {
    publicKey: bob.identity,
    sign: async (_role: string, message: Uint8Array) => bob.signer.sign(message),
  };
  const { api } = memoryApi({ seal, origin });
  const result = await run(intentOf(capability, payload), api);
  expect((await outputCheck('archive', capability))(result)).toBeNull();
  return result as JsonObject;
}

const sealed = async (payload: JsonObject = {}, origin = alice.identity) =>
  ask('archive.seal', { program: PROGRAM, ...payload }, origin);
const bytesOf = ({ archive }: JsonObject) => Buffer.from(String(archive), 'base64');

function tampered(archive: JsonObject): string {
  const bytes = bytesOf(archive);
  bytes[bytes.indexOf('Three rooms')] = 'F'.charCodeAt(0);
  return bytes.toString('base64');
}

describe('archive.seal', () => {
  it("seals what is handed in with the node's key, and says who asked", async () => {
    const made = await sealed({
      agents: '# Us\n',
      files: [
        { path: 'notes/a.txt', text: 'as text' },
        { path: 'payload/b.bin', base64: 'AAEC' },
      ],
      participants: [{ actor_id: 'ai:gemma', role: 'author', label: 'Gemma' }],
      events: [
        {
          actor: 'ai:gemma',
          kind: 'decision',
          action: 'rooms_counted',
          target: 'program',
          payload: { count: 3, statement: 'Three.', reasons: { first: 'It says so.' } },
        },
      ],
    });
    const opened = await openArchive(components, bytesOf(made), { strict: true });
    expect(made).toMatchObject({
      capsuleId: opened.manifest.id,
      entryHash: opened.envelope.entry_hash,
      signer: bob.identity,
      bytes: bytesOf(made).length,
    });
    expect(opened.manifest.originator).toEqual({
      public_key: bob.identity,
      label: `sealed on request of ${alice.nodeId}, not the work of node ${bob.nodeId}`,
    });
    expect(opened.manifest.participants.map(({ actor_id }) => actor_id)).toEqual([
      `human:${alice.nodeId}`,
      `system:${bob.nodeId}`,
      'ai:gemma',
    ]);
    expect(opened.events).toMatchObject([
      {
        actor: `system:${bob.nodeId}`,
        action: 'seal_requested',
        payload: {
          origin: alice.identity,
          request: `capsule:${'c'.repeat(64)}`,
          summary: expect.stringContaining('Sealed on request'),
        },
        untrusted_payload_fields: [],
      },
      {
        actor: 'ai:gemma',
        action: 'rooms_counted',
        untrusted_payload_fields: ['payload.count', 'payload.statement', 'payload.reasons'],
      },
    ]);
    const entry = opened.container.entries.get('payload/notes/a.txt');
    if (entry === undefined) throw new Error('The file is not there');
    expect(Buffer.from(await readEntry(components, opened.container, entry)).toString()).toBe('as text');
  });

  it("takes events of the node's own operator, where that is who asks", async () => {
    const event = { actor: `human:${bob.nodeId}`, kind: 'decision', action: 'approved', target: 't' };
    const made = await sealed({ events: [event] }, bob.identity);
    const { events } = await openArchive(components, bytesOf(made), { strict: true });
    expect(events.map(({ actor }) => actor)).toEqual([`system:${bob.nodeId}`, `human:${bob.nodeId}`]);
  });

  it('says on the outside of an encrypted archive too that it was asked for', async () => {
    const recipients = [toHex(nodeArchiveCrypto.agreementPublicKey(new Uint8Array(32).fill(9)))];
    const { manifest } = await readArchive(components, bytesOf(await sealed({ recipients })));
    expect(manifest.originator.label).toContain(`on request of ${alice.nodeId}`);
  });

  it('encrypts to recipients', async () => {
    const secret = new Uint8Array(32).fill(9);
    const recipients = [toHex(nodeArchiveCrypto.agreementPublicKey(secret))];
    const made = await sealed({ recipients });
    expect(bytesOf(made).includes('Three rooms')).toBe(false);
    await expect(openArchive(components, bytesOf(made), { recipientSecret: secret })).resolves.toMatchObject({
      manifest: { id: made.capsuleId },
    });
  });

  it.each([
    [
      'an event that speaks for the node',
      { events: [{ actor: `system:${bob.nodeId}`, kind: 'decision', action: 'a', target: 't' }] },
      'invalid_payload',
    ],
    [
      "an event of the node's operator",
      {
        participants: [{ actor_id: `human:${bob.nodeId}` }],
        events: [{ actor: `human:${bob.nodeId}`, kind: 'decision', action: 'approved', target: 't' }],
      },
      'invalid_payload',
    ],
    [
      "a participant under the node's name",
      { participants: [{ actor_id: `ai:${bob.nodeId}`, label: 'vouches for it' }] },
      'invalid_payload',
    ],
    [
      'an event by nobody',
      { events: [{ actor: 'human:x', kind: 'decision', action: 'a', target: 't' }] },
      'invalid_request',
    ],
    ['a path that climbs', { files: [{ path: '../x', text: '' }] }, 'invalid_request'],
    ['a file of no base64', { files: [{ path: 'x', base64: 'A' }] }, 'invalid_payload'],
    ['more than a result can hold', { files: [{ path: 'x', text: 'x'.repeat(800_000) }] }, 'too_large'],
  ])('refuses %s', async (_name, payload, code) => {
    await expect(sealed(payload)).rejects.toMatchObject({ code });
  });
});

describe('archive.verify', () => {
  it('gives the verdict that anybody would get', async () => {
    const { archive } = await sealed();
    expect(await ask('archive.verify', { archive: archive ?? '' })).toMatchObject({
      ok: true,
      level: 'L2',
      envelope: { signers: [{ public_key: bob.identity, valid: true, trusted: false }] },
    });
    const trusting = { archive: archive ?? '', allowlist: [bob.identity], strict: true };
    expect(await ask('archive.verify', trusting)).toMatchObject({ ok: true, trusted_signer_count: 1 });
  });

  it('names what was tampered with', async () => {
    const report = await ask('archive.verify', { archive: tampered(await sealed()) });
    expect(report).toMatchObject({ ok: false, content_index: { ok: false } });
  });

  it('says of other bytes that they are no archive', async () => {
    const report = await ask('archive.verify', { archive: Buffer.from('no archive').toString('base64') });
    expect(report).toMatchObject({ ok: false, readable: false });
  });

  it.each(['A===', 'AB', 'AB==x', '====', 'AA-_'])('refuses %s, which is not base64', async (archive) => {
    await expect(ask('archive.verify', { archive })).rejects.toMatchObject({ code: 'invalid_payload' });
  });
});

describe('archive.hydrate', () => {
  it('gives what a model may see, and quotes what it may not follow', async () => {
    const { archive } = await sealed();
    const result = await ask('archive.hydrate', { archive: archive ?? '', task: 'How many rooms?' });
    const [system, user] = result.messages as { role: string; content: string }[];
    expect([system?.role, user?.role]).toEqual(['system', 'user']);
    expect(user?.content).toContain('> Three rooms.');
    expect(user?.content).toContain('How many rooms?');
    expect(result.sections).toContainEqual(
      expect.objectContaining({ source: 'program.md', trust: 'untrusted' }),
    );
    expect(result.truncated).toBe(false);
  });

  it('shows nothing of an archive that does not verify, or that it cannot open', async () => {
    await expect(ask('archive.hydrate', { archive: tampered(await sealed()) })).rejects.toMatchObject({
      code: 'unverified_archive',
    });
    const recipients = [toHex(nodeArchiveCrypto.agreementPublicKey(new Uint8Array(32).fill(9)))];
    const { archive } = await sealed({ recipients });
    await expect(ask('archive.hydrate', { archive: archive ?? '' })).rejects.toMatchObject({
      code: 'key_required',
    });
  });
});

describe('in an engine', () => {
  const folder = new URL('../../../capabilities/archive', import.meta.url).pathname;

  it('seals only with the permission, and the receipt shows its use', async () => {
    const { engine } = await startedEngine({ modules: [{ folder }] });
    const order = request('archive.seal', { program: PROGRAM });
    const outcome = await engine.handleIntent(order);
    expect(outcome.receipt.permissionsUsed).toEqual(['identity', 'seal', 'seal:others']);
    expect(resultOf(outcome)).toMatchObject({ signer: bob.identity });
    await engine.permissions.revoke('archive', 'seal');
    const refused = await engine.handleIntent(order);
    expect(errorOf(refused).code).toBe('permission_denied');
    expect(refused.receipt.permissionsUsed).toEqual(['identity', 'refused:seal']);
    await engine.stop();
  });

  it('seals for others only where that was granted, and else offers it to nobody else', async () => {
    const grantedByDefault = defaultGrants({ builtins: true, granted: {} }, new Set(['archive']));
    const { engine } = await startedEngine({ modules: [{ folder }], grantedByDefault });
    const others = () => {
      const ids = engine.offers().flatMap(({ capability, ownOnly }) => (ownOnly ? [] : capability.id));
      return [ids.includes('archive.seal'), engine.hasRoom('archive.seal', alice.identity)];
    };
    const order = request('archive.seal', { program: PROGRAM });
    const own = await engine.handleIntent({ ...order, origin: bob.identity });
    expect(own.status).toBe('completed');
    expect(others()).toEqual([false, false]);
    expect(engine.admit('archive.seal', alice.identity)).toMatchObject({ code: 'capability_unavailable' });
    expect(engine.hasRoom('archive.verify', alice.identity)).toBe(true);
    expect(errorOf(await engine.handleIntent(order)).code).toBe('permission_denied');

    let told = 0;
    engine.onOffersChanged(() => told++);
    await engine.permissions.grant('archive', 'seal:others');
    expect([told, ...others()]).toEqual([1, true, true]);
    expect((await engine.handleIntent(order)).status).toBe('completed');
    await engine.permissions.revoke('archive', 'seal:others');
    expect(others()).toEqual([false, false]);
    await engine.stop();
  });

  it('refuses what its schema does not know', async () => {
    const { engine } = await startedEngine({ modules: [{ folder }] });
    for (const payload of [
      { program: PROGRAM, skills: [] },
      { program: '' },
      { program: PROGRAM, recipients: ['x'] },
      { program: PROGRAM, files: [{ path: 'x' }] },
      { program: PROGRAM, events: [{ actor: 'x', kind: 'decision', action: 'a', target: 't' }] },
      {
        program: PROGRAM,
        events: [
          { actor: 'system:host', kind: 'decision', action: 'a', target: 't', payload: { 'a.b': 'x' } },
        ],
      },
    ]) {
      const outcome = await engine.handleIntent(request('archive.seal', payload as JsonObject));
      expect(errorOf(outcome).code, JSON.stringify(payload)).toBe('invalid_payload');
    }
    await engine.stop();
  });
});
