import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { wasmTemplate } from '../../src/cli/templates/wasm.ts';
import { assemble, assembleFolder } from '../support/assembly-script.ts';
import { receiptsOf } from '../support/books.ts';
import { Cluster, ECHO, type RealNode } from '../support/cluster.ts';
import { SOURCES } from '../support/wasm-sources.ts';

const EXAMPLE = fileURLToPath(new URL('../../examples/words', import.meta.url));
const BAD = ['loop', 'grow', 'trap', 'noJson', 'large', 'unknownImport', 'blocks', 'deep'] as const;

const orderOf = async (name: keyof typeof SOURCES, more: object = {}) => ({
  requestedCapability: 'wasm.run',
  payload: { module: Buffer.from(await assemble(SOURCES[name])).toString('base64'), ...more },
  executionPolicy: { maxRetries: 0 },
});

describe('modules in WebAssembly on nodes of a mesh', () => {
  const cluster = new Cluster();
  let desk: RealNode;
  let first: RealNode;
  let second: RealNode;

  beforeAll(async () => {
    const folder = join(await cluster.directory(), 'words');
    await mkdir(folder);
    for (const { path, text } of wasmTemplate('words'))
      if (!path.includes('/')) await writeFile(join(folder, path), text);
    await writeFile(join(folder, 'words.wasm'), await assembleFolder(EXAMPLE));
    const settings = { wasm: { allow: 'all' } };
    const permissions = {
      granted: { words: ['progress'], 'test-echo': ['storage', 'progress', 'log', 'identity'] },
    };
    first = await cluster.start({
      capabilities: ['wasm', 'words', ECHO],
      config: {
        capabilities: { settings, folders: [folder, join(EXAMPLE, '../../test/support/echo-capability')] },
        permissions,
      },
    });
    second = await cluster.start({ capabilities: ['wasm'], config: { capabilities: { settings } } });
    desk = await cluster.start({ capabilities: ['wasm'], bootstrap: [first, second] });
    await desk.knows(first, 'wasm.run');
    await desk.knows(second, 'wasm.run');
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  it('are offered only by nodes whose operator lets them run', async () => {
    const { capabilities } = await desk.get<{ capabilities: string[] }>('/api/node');
    expect(capabilities).not.toContain('wasm.run');
  });

  it('give the same result on two nodes, which both name the module', async () => {
    const order = await orderOf('sum');
    const [here, there] = await Promise.all(
      [first, second].map(async (node) => {
        const id = await node.submit(order);
        expect((await node.ended(id)).status).toBe('completed');
        return (await receiptsOf(node, id, 'completed'))[0];
      }),
    );
    expect(here?.resultHash).toBe(there?.resultHash);
    expect(here?.execution).toMatchObject({ wasm: { function: 'run' }, use: {} });
  });

  it('run elsewhere for a node that runs none', async () => {
    const id = await desk.submit(await orderOf('echo', { input: { from: 'desk' } }));
    expect(await desk.ended(id)).toMatchObject({
      status: 'completed',
      result: { output: { input: { from: 'desk' } } },
    });
  });

  it('lie in a folder that another node can ask for', async () => {
    const id = await desk.submit({ requestedCapability: 'words.count', payload: { text: 'Two words.' } });
    expect(await desk.ended(id)).toMatchObject({ status: 'completed', result: { words: 2 } });
  });

  it('harm nobody, whatever they do', async () => {
    const bad = BAD.map(async (name) => {
      const id = await first.submit(await orderOf(name, { limits: { timeMs: 500 } }));
      const view = await first.ended(id);
      expect(view, name).toMatchObject({
        status: 'failed',
        error: { message: expect.stringMatching(/module/) },
      });
      expect(await receiptsOf(first, id, 'failed'), name).toHaveLength(1);
    });
    const good = Array.from({ length: 40 }, async (_none, count) => {
      const id = await first.submit({ requestedCapability: 'test.echo', payload: { count } });
      expect((await first.ended(id)).status).toBe('completed');
    });
    await Promise.all([...bad, ...good]);
    const id = await first.submit(await orderOf('echo', { input: 1 }));
    expect((await first.ended(id)).status).toBe('completed');
  });
});
