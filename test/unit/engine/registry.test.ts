import { execFile } from 'node:child_process';
import { appendFile, cp, mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hashFolder } from '../../../src/engine/code-folder.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { memoryTestDatabase } from '../../support/database.ts';
import {
  ECHO_FOLDER,
  errorOf,
  request,
  resultOf,
  startedEngine,
  testEngine,
  testModule,
} from '../../support/engine.ts';

let folder: string;
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'capsule-code-')), 'echo');
  await cp(ECHO_FOLDER, folder, { recursive: true });
  // The copy imports types only, so it runs anywhere.
});
afterEach(() => rm(join(folder, '..'), { recursive: true, force: true }));

describe('the hash of a folder', () => {
  const hash = () => hashFolder(folder, nodeCrypto);

  it('depends on every file, its name and its content, and not on where the folder is', async () => {
    const before = await hash();
    expect(before).toBe(await hashFolder(ECHO_FOLDER, nodeCrypto));
    await writeFile(join(folder, 'more.ts'), '');
    const added = await hash();
    await cp(join(folder, 'more.ts'), join(folder, 'renamed.ts'));
    await rm(join(folder, 'more.ts'));
    const renamed = await hash();
    await appendFile(join(folder, 'renamed.ts'), '//');
    expect(new Set([before, added, renamed, await hash()]).size).toBe(4);
  });

  it('leaves out what the build writes beside the code', async () => {
    const before = await hash();
    for (const name of ['index.js.map', 'index.d.ts']) await writeFile(join(folder, name), 'x');
    expect(await hash()).toBe(before);
  });
});

describe('integrity', () => {
  it('does not run code that changed, until the operator trusts it', async () => {
    const db = memoryTestDatabase();
    const first = await startedEngine({ modules: [{ folder }] }, { db });
    expect(first.engine.modules()[0]).toMatchObject({ state: 'ready', reason: null });
    await appendFile(join(folder, 'index.ts'), '\n// changed\n');

    const { engine } = await startedEngine({ modules: [{ folder }] }, { db });
    const [locked] = engine.modules();
    expect(locked).toMatchObject({
      state: 'safe_mode',
      reason: 'The code of test-echo@1.0.0 is not what it was when it was first loaded.',
    });
    expect(engine.offer('test.echo')).toBeUndefined();
    expect(engine.offers()).toEqual([]);
    const refused = await engine.handleIntent(request('test.echo'));
    expect(errorOf(refused).code).toBe('integrity_lock');
    expect(refused.receipt.codeHash).toBe(locked?.codeHash);

    let told = 0;
    engine.onOffersChanged(() => told++);
    await engine.trust('test-echo');
    expect(told).toBe(1);
    expect(engine.modules()[0]?.state).toBe('ready');
    expect((await engine.handleIntent(request('test.echo'))).status).toBe('completed');
    expect((await engine.receipts.verify()).problems).toEqual([]);

    const third = await startedEngine({ modules: [{ folder }] }, { db });
    expect(third.engine.modules()[0]?.state).toBe('ready');
  });

  it('does not even import what it does not trust', async () => {
    const db = memoryTestDatabase();
    await startedEngine({ modules: [{ folder }] }, { db });
    await writeFile(join(folder, 'index.ts'), 'throw new Error("imported");');
    const { engine } = await startedEngine({ modules: [{ folder }] }, { db });
    expect(engine.modules()[0]?.state).toBe('safe_mode');
    await expect(engine.trust('test-echo')).rejects.toMatchObject({ code: 'config_invalid' });
    expect(engine.modules()[0]?.state).toBe('safe_mode');
  });

  it('does not trust what changed after it was looked at', async () => {
    const db = memoryTestDatabase();
    await startedEngine({ modules: [{ folder }] }, { db });
    await appendFile(join(folder, 'index.ts'), '// changed');
    const { engine } = await startedEngine({ modules: [{ folder }] }, { db });
    await appendFile(join(folder, 'index.ts'), '// and again');
    await expect(engine.trust('test-echo')).rejects.toMatchObject({ code: 'integrity_lock' });
    expect(engine.modules()[0]?.state).toBe('safe_mode');
  });

  it('trusts no module that is not there', async () => {
    const { engine } = await startedEngine();
    await expect(engine.trust('nobody')).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('code that changes under a running node', () => {
  const LAZY = `import { writeFile } from 'node:fs/promises';
export async function run({ payload: { word } }) {
  const at = new URL('./later.js', import.meta.url);
  if (word === 'rewrite') await writeFile(at, 'export const word = "rewritten";');
  if (word === 'load' || word === 'rewrite') return (await import('./later.js')).word;
  return word === undefined ? null : (await import(word)).word;
}`;

  async function lazyFolder(): Promise<string> {
    const path = join(folder, '..', 'lazy');
    await mkdir(join(path, 'deep'), { recursive: true });
    const source = testModule(async () => null);
    await writeFile(
      join(path, 'manifest.json'),
      JSON.stringify('manifest' in source ? source.manifest : null),
    );
    await writeFile(join(path, 'index.js'), LAZY);
    await writeFile(join(path, 'later.js'), 'export const word = "as read";');
    await writeFile(join(path, 'deep', 'notes.txt'), 'a');
    await writeFile(join(path, 'types.d.ts'), 'export const word = "not hashed";');
    return path;
  }

  async function lazy() {
    const path = await lazyFolder();
    const made = await startedEngine({ modules: [{ folder: path }], probeIntervalMs: 10_000 });
    const told: number[] = [];
    made.engine.onOffersChanged(() => told.push(made.engine.offers().length));
    const call = async () => {
      const outcome = await made.engine.handleIntent(request('unit.run'));
      return outcome.status === 'completed' ? outcome.status : outcome.error.code;
    };
    return { ...made, path, told, call };
  }

  it.each(['later.js', 'deep/notes.txt', 'deep/more.js'])(
    'locks its module at the next call (%s), until it is as it was',
    async (name) => {
      const { engine, clock, call, path, told } = await lazy();
      const file = join(path, name);
      const before = await readFile(file, 'utf8').catch(() => undefined);
      expect(await call()).toBe('completed');
      await writeFile(file, 'export const word = "changed";');
      expect(await call()).toBe('integrity_lock');
      expect(told).toEqual([0]);
      expect(engine.modules()[0]).toMatchObject({
        state: 'safe_mode',
        reason: 'The code of unit@1.0.0 has changed since the node started: start the node again.',
      });
      await expect(engine.trust('unit')).rejects.toMatchObject({ code: 'integrity_lock' });
      if (before === undefined) await rm(file);
      else await writeFile(file, before);
      // The next look does not wait for a call.
      const ready = Promise.withResolvers<void>();
      engine.onOffersChanged(ready.resolve);
      await clock.advance(10_000);
      await ready.promise;
      expect(told).toEqual([0, 1]);
      expect(await call()).toBe('completed');
    },
  );

  it('goes on after a file was only touched', async () => {
    const { call, path } = await lazy();
    await utimes(join(path, 'later.js'), 1, 1);
    expect(await call()).toBe('completed');
  });

  it.each([
    ['what was hashed, however late', ['load'], ['as read']],
    [
      'nothing that changed in the middle of a call',
      ['rewrite', 'load'],
      ['integrity_lock', 'integrity_lock'],
    ],
    ['nothing that was not hashed', ['./types.d.ts', 'load'], ['integrity_lock', 'as read']],
  ])('loads %s', async (_name, words, expected) => {
    const program = fileURLToPath(new URL('../../support/load-lazily.ts', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [program, await lazyFolder(), ...words]);
    expect(JSON.parse(stdout)).toEqual(expected);
  });
});

describe('a folder that cannot be used stops the start', () => {
  const starting = (): Promise<void> => testEngine({ modules: [{ folder }] }).engine.start();
  const refused = (message: RegExp) => ({ code: 'config_invalid', message: expect.stringMatching(message) });

  it('without a manifest', async () => {
    await rm(join(folder, 'manifest.json'));
    await expect(starting()).rejects.toMatchObject(refused(/manifest\.json cannot be read/));
  });

  it('with a manifest that is no JSON', async () => {
    await writeFile(join(folder, 'manifest.json'), '{');
    await expect(starting()).rejects.toMatchObject(refused(/manifest\.json cannot be read/));
  });

  it('with a manifest that has a number that would be another one', async () => {
    await writeFile(join(folder, 'manifest.json'), '{"pricing": {"baseCredits": 9007199254740993}}');
    await expect(starting()).rejects.toMatchObject(
      refused(/manifest\.json cannot be read: .*"pricing\.baseCredits" is the integer 9007199254740993/),
    );
  });

  it('with a manifest that is not UTF-8', async () => {
    await writeFile(join(folder, 'manifest.json'), '{}', 'utf16le');
    await expect(starting()).rejects.toMatchObject(refused(/manifest\.json cannot be read: .* UTF-16/));
  });

  it('with a manifest that lacks a field', async () => {
    await writeFile(join(folder, 'manifest.json'), '{"id": "x"}');
    await expect(starting()).rejects.toMatchObject(refused(/manifest is not valid/));
  });
});

describe('a folder whose code cannot be loaded', () => {
  const refusal = async (code: string | undefined) => {
    if (code === undefined) await rm(join(folder, 'index.ts'));
    else await writeFile(join(folder, 'index.ts'), code);
    const { engine } = await startedEngine({ modules: [{ folder }, testModule(async () => 'fine')] });
    expect(resultOf(await engine.handleIntent(request('unit.run')))).toBe('fine');
    expect(engine.offers().map(({ module }) => module)).toEqual(['unit']);
    return errorOf(await engine.handleIntent(request('test.echo')));
  };

  it.each([
    ['export const walk = 1;', /does not export a function "run"/],
    ['throw new Error("no");', /cannot be loaded/],
    [undefined, /has neither index\.js nor index\.ts/],
  ])('is not on offer, and says why: %s', async (code, reason) => {
    expect(await refusal(code)).toEqual({
      code: 'capability_unavailable',
      message: expect.stringMatching(reason),
    });
  });
});

describe('modules that do not fit together stop the start', () => {
  const starting = (...modules: ReturnType<typeof testModule>[]) => testEngine({ modules }).engine.start();
  const run = async () => null;

  it('two of one name', async () => {
    const other = testModule(run, { capabilities: [{ id: 'other.run' }] });
    await expect(starting(testModule(run), other)).rejects.toMatchObject({
      message: 'Two modules have the name unit.',
    });
  });

  it('two that offer the same capability', async () => {
    await expect(starting(testModule(run), testModule(run, { id: 'other' }))).rejects.toMatchObject({
      message: 'Both unit and other offer unit.run.',
    });
  });

  it('one with a schema that is none', async () => {
    const slip = testModule(run, { capabilities: [{ input: { type: 'objekt' } }] });
    await expect(starting(slip)).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringMatching(/"input" of unit\.run is not a JSON Schema/),
    });
    const pattern = testModule(run, { capabilities: [{ output: { type: 'string', pattern: '(' } }] });
    await expect(starting(pattern)).rejects.toMatchObject({ code: 'config_invalid' });
  });
});

describe('routing', () => {
  const capabilities = [
    { id: 'unit.cheap', intent: 'cheap', price: 1 },
    { id: 'unit.dear', intent: 'dear', price: 5, input: { type: 'object', required: ['text'] } },
    { id: 'unit.other', intent: 'cheap', price: 3 },
  ];
  const route = async (capability: string, action: string, payload = {}) => {
    const module = testModule(async (intent) => `${intent.capability} ${intent.action}`, { capabilities });
    const { engine } = await startedEngine({ modules: [module] });
    const outcome = await engine.handleIntent({ ...request(capability, payload), action });
    return outcome.status === 'completed' ? outcome.result : outcome.error.code;
  };

  it.each([
    ['unit.cheap', 'unit.cheap', 'unit.cheap unit.cheap'],
    ['unit.cheap', 'cheap', 'unit.cheap cheap'],
    ['unit.dear', 'cheap', 'unit.dear cheap'],
    ['unit.dear', 'unit.other', 'unit.dear unit.other'],
    ['unit.cheap', 'dear', 'capability_unavailable'],
    ['unit.cheap', 'unit.dear', 'capability_unavailable'],
    ['unit.cheap', 'unit.other', 'capability_unavailable'],
    ['unit.dear', 'walk', 'capability_unavailable'],
  ])('%s with the action %s', async (capability, action, expected) => {
    expect(await route(capability, action)).toBe(expected);
  });

  it('applies the schema of what runs, not of what was asked for', async () => {
    expect(await route('unit.dear', 'dear')).toBe('invalid_payload');
    expect(await route('unit.dear', 'dear', { text: 'x' })).toBe('unit.dear dear');
    expect(await route('unit.dear', 'cheap')).toBe('unit.dear cheap');
  });
});
