import { describe, expect, it } from 'vitest';
import type { JsonValue } from '../../../protocols/common/v1/schema.ts';
import type { CapabilityApi, ModelsApi } from '../../../src/engine/capability.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { fromHex, toHex } from '../../../src/lib/hex.ts';
import { errorOf, request, resultOf, startedEngine, testModule } from '../../support/engine.ts';
import { alice, bob } from '../../support/keys.ts';

const declaredAll = ['storage', 'models', 'progress', 'log', 'identity', 'seal', 'seal:others'];

function api(work: (api: CapabilityApi) => JsonValue | Promise<JsonValue>, permissions: string[] = []) {
  return testModule(async (_intent, scoped) => work(scoped), { permissions });
}

const envelopeInput = (role: string) => Buffer.from(`capsule-provenance-v0.6:${role}\0{}`);

const uses: [permission: string, use: (api: CapabilityApi) => unknown][] = [
  ['storage', (scoped) => scoped.storage.get('a')],
  ['models', (scoped) => scoped.models.list()],
  ['progress', (scoped) => scoped.progress({ delta: 'x' })],
  ['log', (scoped) => scoped.log('x')],
  ['identity', (scoped) => scoped.identity.node],
  ['seal', (scoped) => scoped.seal.sign('originator', envelopeInput('originator'))],
];

const models = (): ModelsApi => ({
  list: async () => [],
  chat: () => Promise.reject(new Error('not asked')),
  embed: () => Promise.reject(new Error('not asked')),
});

describe('permissions', () => {
  it.each(uses)('records that %s was used', async (permission, use) => {
    const module = api(async (scoped) => {
      await use(scoped);
      return null;
    }, declaredAll);
    const { engine } = await startedEngine({ modules: [module] }, { models });
    const outcome = await engine.handleIntent(request('unit.run'));
    expect(resultOf(outcome)).toBeNull();
    const used = permission === 'seal' ? ['seal', 'seal:others'] : [permission];
    expect(outcome.receipt.permissionsUsed).toEqual(used);
    expect(outcome.receipt.permissionsDeclared).toEqual(declaredAll);
  });

  const touches: [permission: string, touch: (api: CapabilityApi) => unknown][] = [
    ['storage', (scoped) => scoped.storage],
    ['network', (scoped) => scoped.network],
    ['models', (scoped) => scoped.models],
    ['progress', (scoped) => scoped.progress],
    ['log', (scoped) => scoped.log],
    ['identity', (scoped) => scoped.identity],
    ['seal', (scoped) => scoped.seal],
  ];
  it.each(touches)('throws as soon as undeclared %s is touched', async (permission, touch) => {
    const module = api((scoped) => {
      touch(scoped);
      return null;
    });
    const { engine } = await startedEngine({ modules: [module] });
    const outcome = await engine.handleIntent(request('unit.run'));
    expect(errorOf(outcome).code).toBe('permission_denied');
    expect(outcome.receipt.permissionsUsed).toEqual([`refused:${permission}`]);
  });

  it('shows a refusal that the code swallowed', async () => {
    const module = api(async (scoped) => {
      try {
        await scoped.storage.get('a');
      } catch {}
      return null;
    });
    const { engine } = await startedEngine({ modules: [module] });
    const outcome = await engine.handleIntent(request('unit.run'));
    expect(outcome.status).toBe('completed');
    expect(outcome.receipt.permissionsUsed).toEqual(['refused:storage']);
  });

  it.each(uses)('throws when %s is declared and not granted', async (permission, use) => {
    const module = api(async (scoped) => {
      await use(scoped);
      return null;
    }, declaredAll);
    const grantedByDefault = (_module: string, name: string) => name !== permission;
    const { engine } = await startedEngine({ modules: [module], grantedByDefault }, { models });
    const outcome = await engine.handleIntent(request('unit.run'));
    expect(errorOf(outcome)).toEqual({
      code: 'permission_denied',
      message: `The operator has not granted ${permission} to the module unit.`,
    });
    expect(outcome.receipt.permissionsUsed).toEqual([`refused:${permission}`]);
  });

  it('grants and revokes by the operator, over what the configuration grants, from the next use on', async () => {
    const module = api(async (scoped) => (await scoped.storage.get('a')) ?? null, ['storage', 'log']);
    const grantedByDefault = (_module: string, permission: string) => permission === 'log';
    const { engine } = await startedEngine({ modules: [module], grantedByDefault });
    const status = async () => (await engine.handleIntent(request('unit.run'))).status;
    expect(await status()).toBe('failed');
    await engine.permissions.grant('unit', 'storage');
    expect(await status()).toBe('completed');
    await engine.permissions.revoke('unit', 'log');
    expect(engine.permissions.list()).toEqual([
      { module: 'unit', permission: 'storage', declared: true, granted: true },
      { module: 'unit', permission: 'log', declared: true, granted: false },
    ]);
    await engine.permissions.revoke('unit', 'storage');
    expect(await status()).toBe('failed');
  });

  it('knows no undeclared permission and no unknown module', async () => {
    const { engine } = await startedEngine({ modules: [api(() => null, ['log'])] });
    await expect(engine.permissions.grant('unit', 'storage')).rejects.toMatchObject({ code: 'not_found' });
    await expect(engine.permissions.grant('nobody', 'log')).rejects.toMatchObject({ code: 'not_found' });
    expect(engine.permissions.granted('unit', 'storage')).toBe(false);
    expect(engine.permissions.granted('constructor', 'log')).toBe(false);
  });

  it('cannot be changed by the code', async () => {
    const module = api(
      (scoped) => {
        const changes = [
          () => Object.defineProperty(scoped, 'storage', { value: 'mine' }),
          () => Object.defineProperty(Object.getPrototypeOf(scoped), 'storage', { value: 'mine' }),
          () =>
            Object.assign(scoped.progress, { call: 'mine' }) &&
            Object.assign(scoped.config, { hosts: ['evil'] }),
        ];
        return changes.map((change) => {
          try {
            change();
            return 'changed';
          } catch (error) {
            return error instanceof TypeError;
          }
        });
      },
      ['progress'],
    );
    const { engine } = await startedEngine({ modules: [module] });
    expect(resultOf(await engine.handleIntent(request('unit.run')))).toEqual([true, true, true]);
  });

  it('hands a module its section of the configuration and no other', async () => {
    const module = api((scoped) => scoped.config);
    const config = new Map([
      ['unit', { greeting: 'hello' }],
      ['other', { secret: 'no' }],
    ]);
    const { engine } = await startedEngine({ modules: [module], config });
    expect(resultOf(await engine.handleIntent(request('unit.run')))).toEqual({ greeting: 'hello' });
  });

  it('rejects models where the node has no server for them', async () => {
    const module = api(async (scoped) => (await scoped.models.list()).length, ['models']);
    const { engine } = await startedEngine({ modules: [module] });
    expect(errorOf(await engine.handleIntent(request('unit.run'))).code).toBe('model_unavailable');
  });
});

describe('seal', () => {
  const signed = async (
    role: string,
    message: Uint8Array,
    { origin = alice.identity, granted = ['seal', 'seal:others'] } = {},
  ) => {
    const module = api(
      async ({ seal }) => [seal.publicKey, toHex(await seal.sign(role, message))],
      ['seal', 'seal:others'],
    );
    const { engine } = await startedEngine({
      modules: [module],
      grantedByDefault: (_module, permission) => granted.includes(permission),
    });
    return engine.handleIntent({ ...request('unit.run'), origin });
  };

  it.each([
    ['the node itself', bob.identity, 'completed', ['seal']],
    ['others', alice.identity, 'failed', ['refused:seal:others', 'seal']],
  ])('is for %s where no more is granted', async (_name, origin, status, used) => {
    const outcome = await signed('originator', envelopeInput('originator'), {
      origin,
      granted: ['seal'],
    });
    expect(outcome.status).toBe(status);
    expect(outcome.receipt.permissionsUsed).toEqual(used);
  });

  it('signs the envelope of an archive as the node', async () => {
    const [key, signature] = resultOf(await signed('originator', envelopeInput('originator'))) as string[];
    expect(key).toBe(bob.identity);
    const valid = nodeCrypto.verify(
      envelopeInput('originator'),
      fromHex(String(signature)),
      fromHex(bob.identity),
    );
    expect(valid).toBe(true);
  });

  it.each([
    ['a capsule', 'originator', Buffer.from(`frame-capsule-v1\0${'h'.repeat(32)}`)],
    ['an envelope in another role', 'originator', envelopeInput('auditor')],
    ['an envelope of another version', 'originator', Buffer.from('capsule-provenance-v0.7:originator\0{}')],
    ['the domain cut short', 'originator', envelopeInput('originator').subarray(0, 20)],
    ['nothing', 'originator', new Uint8Array()],
    [
      'more than an envelope',
      'originator',
      Buffer.concat([envelopeInput('originator'), Buffer.alloc(16_384)]),
    ],
  ])('refuses %s', async (_name, role, message) => {
    expect(errorOf(await signed(role, message)).code).toBe('permission_denied');
  });
});

describe('what a model ran', () => {
  const execution = {
    model: 'gemma3:4b',
    digest: 'ab'.repeat(32),
    quantization: 'Q4_K_M',
    options: { temperature: 0 },
    seed: 7,
    promptTokens: 3,
    completionTokens: 4,
    ended: 'stop',
  };
  const recording = async (given: typeof execution, permissions = ['models']) => {
    const module = api((scoped) => {
      scoped.recordExecution(given);
      return null;
    }, permissions);
    const { engine } = await startedEngine({ modules: [module] }, { models });
    return engine.handleIntent(request('unit.run'));
  };

  it('is bound into the receipt', async () => {
    expect((await recording(execution)).receipt.execution).toEqual(execution);
  });

  it('needs the permission', async () => {
    expect(errorOf(await recording(execution, [])).code).toBe('permission_denied');
  });

  it.each([
    ['no execution', { ...execution, promptTokens: -1 }],
    ['too large', { ...execution, options: { temperature: 0, stop: 'x'.repeat(20_000) } }],
  ])('fails the intent where it is %s', async (_name, given) => {
    expect(errorOf(await recording(given)).code).toBe('internal');
  });
});

describe('progress', () => {
  it('arrives in pieces that a message can carry, and stays well-formed', async () => {
    const long = `${'x'.repeat(65_535)}🙂`;
    const module = api(
      (scoped) => {
        scoped.progress({ stage: 's'.repeat(200), delta: long });
        scoped.progress({});
        return null;
      },
      ['progress'],
    );
    const { engine } = await startedEngine({ modules: [module] });
    const updates: { delta?: string; stage?: string }[] = [];
    await engine.handleIntent(request('unit.run'), { onProgress: (update) => updates.push(update) });
    expect(updates.map(({ delta, stage }) => [stage?.length, delta?.length])).toEqual([
      [128, undefined],
      [undefined, 65_535],
      [undefined, 2],
    ]);
    expect(updates.map(({ delta }) => delta ?? '').join('')).toBe(long);
  });
});
