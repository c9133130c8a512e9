import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../../protocols/common/v1/schema.ts';
import type { EngineComponents } from '../../../../src/engine/engine.ts';
import { WasmPool } from '../../../../src/engine/runners/wasm/wasm-pool.ts';
import { systemClock } from '../../../../src/lib/clock.ts';
import { assemble } from '../../../support/assembly-script.ts';
import { silentLog } from '../../../support/database.ts';
import { errorOf, grantAll, request, resultOf, startedEngine } from '../../../support/engine.ts';
import { type WasmFolderOptions, wasmFolder } from '../../../support/wasm-folder.ts';
import { HOST_CALLS, SOURCES } from '../../../support/wasm-sources.ts';

const PERMISSIONS = ['storage', 'progress', 'log', 'identity', 'models', 'network:example.org'];
const EXECUTION = {
  model: 'm',
  digest: null,
  quantization: null,
  options: {},
  seed: null,
  promptTokens: null,
  completionTokens: null,
  ended: 'stop',
};

const MODEL = {
  name: 'm',
  digest: null,
  quantization: null,
  size: 1,
  families: [],
  abilities: null,
  contextTokens: null,
  parallel: 1,
};
const fetched: string[] = [];
const outside: Pick<EngineComponents, 'fetch' | 'models'> = {
  fetch: async (address) => {
    if (String(address).endsWith('/never')) return new Promise(() => {});
    fetched.push(String(address));
    return new Response('a page', { status: 203 });
  },
  models: () => ({
    list: async () => [MODEL],
    chat: async () => ({ text: 'Hello', thinking: '', toolCalls: [], execution: EXECUTION }),
    embed: async () => ({ embeddings: [], execution: EXECUTION }),
  }),
};

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** An engine around a folder with this module. */
async function engineWith(
  source: string | Uint8Array,
  options: WasmFolderOptions & { grant?: (module: string, permission: string) => boolean } = {},
) {
  const folder = wasmFolder(typeof source === 'string' ? await assemble(source) : source, options);
  ends.push(async () => rmSync(folder, { recursive: true }));
  const pool = new WasmPool({ clock: systemClock, log: silentLog }, { rooms: 1, memoryMb: 64 });
  ends.push(() => pool.stop());
  const { engine, clock } = await startedEngine(
    {
      modules: [{ folder, runner: pool }],
      config: new Map([['unit', { colour: 'blue' }]]),
      grantedByDefault: options.grant ?? grantAll,
    },
    outside,
  );
  ends.push(() => engine.stop());
  const call = (capability: string, payload: JsonObject = {}, given = {}) =>
    engine.handleIntent(request(capability, payload), given);
  return { engine, clock, call, folder };
}

const every = (names: string): string[] => names.split(' ').map((name) => `unit.${name}`);

describe('a plug-in in a folder', () => {
  it('gets the payload where its intent has a function, and the whole intent where not', async () => {
    const own = await engineWith(HOST_CALLS.alone, { capabilities: every('now config') });
    expect(resultOf(await own.call('unit.config'))).toEqual({ value: { colour: 'blue' } });
    expect(resultOf(await own.call('unit.now'))).toEqual({ value: expect.any(Number) });
    const common = await engineWith(HOST_CALLS.intent);
    expect(resultOf(await common.call('unit.run', { a: 1 }))).toMatchObject({
      action: 'unit.run',
      payload: { a: 1 },
      raw: 'direct:test',
    });
  });

  it('reaches of the node what it declares and is granted, and waits for the answer', async () => {
    const names =
      'now config identity progress log storage_get storage_put storage_delete storage_list network_fetch models_list models_chat';
    const { call } = await engineWith(HOST_CALLS.all, {
      capabilities: every(names),
      permissions: PERMISSIONS,
    });
    const get = async () => resultOf(await call('unit.storage_get', { key: 'k' }));
    expect(await get()).toEqual({});
    expect(resultOf(await call('unit.storage_put', { key: 'k', value: { a: ['ü'] } }))).toEqual({});
    expect(await get()).toEqual({ value: { a: ['ü'] } });
    expect(resultOf(await call('unit.storage_list'))).toEqual({ value: ['k'] });
    expect(resultOf(await call('unit.storage_delete', { key: 'k' }))).toEqual({});
    expect(await get()).toEqual({});
    expect(resultOf(await call('unit.network_fetch', { url: 'https://example.org/a' }))).toEqual({
      value: { status: 203, body: 'a page' },
    });
    expect(fetched).toEqual(['https://example.org/a']);
    expect(resultOf(await call('unit.models_list'))).toMatchObject({ value: [{ name: 'm' }] });
    const chat = { model: 'm', messages: [{ role: 'user', content: 'Hi' }] };
    expect(resultOf(await call('unit.models_chat', chat))).toMatchObject({ value: { text: 'Hello' } });
    expect(resultOf(await call('unit.identity'))).toMatchObject({ value: { standing: 'known' } });
    expect(resultOf(await call('unit.log', { message: 'A line.' }))).toEqual({});
    const said: unknown[] = [];
    const progress = await call(
      'unit.progress',
      { stage: 'half' },
      { onProgress: (update: unknown) => said.push(update) },
    );
    expect(progress.receipt.permissionsUsed).toEqual(['progress']);
    expect(said).toEqual([{ stage: 'half' }]);
  });

  it('hears why something was refused, and the receipt shows it', async () => {
    const { call } = await engineWith(HOST_CALLS.all, {
      capabilities: every('storage_get network_fetch log'),
      permissions: PERMISSIONS,
      grant: (_module, permission) => permission !== 'storage' && permission !== 'log',
    });
    const outcome = await call('unit.storage_get', { key: 'k' });
    expect(resultOf(outcome)).toMatchObject({ error: { code: 'permission_denied' } });
    expect(outcome.receipt.permissionsUsed).toEqual(['refused:storage']);
    expect(resultOf(await call('unit.log', { message: 'm' }))).toMatchObject({
      error: { code: 'permission_denied' },
    });
    expect(resultOf(await call('unit.network_fetch', { url: 'https://example.com/' }))).toMatchObject({
      error: { code: 'permission_denied' },
    });
    expect(resultOf(await call('unit.storage_get', { key: 1 }))).toMatchObject({
      error: { code: 'invalid_request' },
    });
  });

  it('streams as fast as the node takes it', async () => {
    const { call } = await engineWith(HOST_CALLS.flood, { permissions: ['progress'] });
    let chars = 0;
    const onProgress = ({ delta = '' }: { delta?: string }): void => {
      chars += delta.length;
    };
    expect(resultOf(await call('unit.run', {}, { onProgress }))).toBe(null);
    expect(chars).toBe(2_000_000);
  });

  it.each([
    ['computes without end', SOURCES.loop],
    ['waits for the node', HOST_CALLS.waiting],
  ])('is killed when it is cancelled and %s', async (_what, source) => {
    const { call } = await engineWith(source, { permissions: ['network:example.org'] });
    const controller = new AbortController();
    const outcome = call('unit.run', {}, { signal: controller.signal });
    setImmediate(() => controller.abort());
    expect(errorOf(await outcome).code).toBe('cancelled');
  });

  it.each([
    ['traps', SOURCES.trap, 'internal', 'The module trapped: unreachable.'],
    [
      'grows without end',
      SOURCES.grow,
      'too_large',
      'The module failed when its memory of 512 pages was full: unreachable.',
    ],
    ['gives no JSON', SOURCES.noJson, 'internal', 'The module gave what is not JSON.'],
  ])('ends with a code and a sentence where it %s, and goes on', async (_what, source, code, message) => {
    const { call } = await engineWith(source);
    for (let count = 0; count < 2; count++)
      expect(errorOf(await call('unit.run'))).toMatchObject({
        code,
        message: expect.stringContaining(message),
      });
  });

  it.each([
    ['is no WebAssembly', Buffer.from('no module'), 'The module is no WebAssembly'],
    [
      'imports a function that it has no permission for',
      HOST_CALLS.flood,
      'imports "progress" from "extism:host/user"',
    ],
    ['imports what nobody has', SOURCES.unknownImport, 'imports "launch" from "env"'],
    ['has no function for its intents', HOST_CALLS.alone, 'exports neither "run" nor "unit_run"'],
  ])('is unavailable, and says why, where it %s', async (_what, source, reason) => {
    const { engine, call } = await engineWith(source);
    expect(engine.modules()[0]).toMatchObject({
      state: 'unavailable',
      reason: expect.stringContaining(reason),
    });
    expect(errorOf(await call('unit.run')).code).toBe('capability_unavailable');
  });

  it('is locked when its module is another', async () => {
    const { call, folder } = await engineWith(HOST_CALLS.intent);
    expect(resultOf(await call('unit.run'))).toMatchObject({ action: 'unit.run' });
    writeFileSync(join(folder, 'module.wasm'), await assemble(SOURCES.trap));
    expect(errorOf(await call('unit.run')).code).toBe('integrity_lock');
  });
});
