import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CapsuleView } from '../../src/exchange/types.ts';
import { capsule, inProcess, type Ran, spawnCapsule } from '../support/cli.ts';
import { Cluster, ECHO, type RealNode } from '../support/cluster.ts';

const READY = { stdout: '"apiUrl"' } as const;

/** Resolves when the process has printed `text`; rejects when it ends before. */
function printed(
  process: ReturnType<typeof spawnCapsule>,
  stream: 'stdout' | 'stderr',
  text: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = (): void => {
      if (process.soFar[stream].includes(text)) resolve();
    };
    process.child[stream].on('data', look);
    look();
    void process.ended.then((ran) => reject(new Error(`ended with ${String(ran.code)}: ${ran.stderr}`)));
  });
}

const QUIET = [
  '--api',
  '127.0.0.1:0',
  '--listen',
  '/ip4/127.0.0.1/tcp/0',
  '--no-mdns',
  '--log-level',
  'warn',
];

describe('capsule start', () => {
  const cluster = new Cluster();
  const start = (...args: string[]) => spawnCapsule(['start', ...QUIET, ...args]);

  afterAll(() => cluster[Symbol.asyncDispose]());

  it.each(['SIGTERM', 'SIGINT'] as const)('prints where it is and stops cleanly at %s', async (signal) => {
    const data = await cluster.directory();
    const node = start('--data', data, '--capability', 'text', '--label', 'room=office', '--json');
    await printed(node, 'stdout', READY.stdout);
    const info = JSON.parse(node.soFar.stdout) as Record<string, unknown>;
    expect(info).toMatchObject({
      nodeId: expect.stringMatching(/^12D3KooW/),
      addresses: [expect.stringMatching(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/12D3KooW/)],
      capabilities: expect.arrayContaining(['text.summarize']),
      consoleUrl: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/#code=/),
    });
    expect(await (await fetch(`${String(info.apiUrl)}/readyz`)).json()).toEqual({ status: 'ok' });
    const status = await capsule(['status', '--data', data, '--json']);
    expect(JSON.parse(status.stdout)).toMatchObject({ labels: { room: 'office' }, nodeId: info.nodeId });
    node.child.kill(signal);
    expect(await node.ended).toMatchObject({ code: 0 });
    expect(existsSync(join(data, 'api.json'))).toBe(false);
    expect((await capsule(['status', '--data', data])).code).toBe(3);
  });

  it('refuses a data directory that another node uses', async () => {
    const node = await cluster.start();
    const second = await start('--data', node.directory).ended;
    expect(second).toMatchObject({ code: 2, stdout: '' });
    expect(second.stderr).toMatch(/^capsule: .* \(data_dir_locked\)\nStop the other node/m);
    expect((await capsule(['status', '--data', node.directory])).code).toBe(0);
  });

  it('refuses ports that are taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? String(address.port) : '';
    const data = await cluster.directory();
    const api = await start('--data', data, '--api', `127.0.0.1:${port}`).ended;
    expect(api).toMatchObject({ code: 2, stdout: '' });
    expect(api.stderr).toContain('(address_in_use)');
    const p2p = await start('--data', data, '--listen', `/ip4/127.0.0.1/tcp/${port}`).ended;
    server.close();
    expect(p2p).toMatchObject({ code: 2, stdout: '' });
    expect(p2p.stderr).toContain('(address_in_use)');
  });

  it('refuses a data directory that cannot be one, and a configuration that is wrong', async () => {
    const folder = await cluster.directory();
    const file = join(folder, 'file');
    writeFileSync(file, '');
    const unwritable = await start('--data', join(file, 'data')).ended;
    expect(unwritable).toMatchObject({ code: 2, stdout: '' });
    expect(unwritable.stderr).toContain('(data_dir_unwritable)');
    writeFileSync(file, '{"engine":{"concurency":1}}');
    const mistyped = await start('--data', join(folder, 'data'), '--config', file).ended;
    expect(mistyped).toMatchObject({ code: 2, stdout: '' });
    expect(mistyped.stderr).toContain('did you mean "concurrency"');
  });
});

describe('two nodes', () => {
  const cluster = new Cluster();
  let asker: RealNode;
  let worker: RealNode;

  const ask = (...args: string[]): Promise<Ran> => capsule([...args, '--data', asker.directory]);
  const json = async <T>(...args: string[]): Promise<T> => {
    const ran = await ask(...args, '--json');
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    return JSON.parse(ran.stdout) as T;
  };

  beforeAll(async () => {
    worker = await cluster.start({
      capabilities: ['text', ECHO],
      config: { capabilities: { prices: { 'text.summarize': 2 } } },
    });
    asker = await cluster.start({ bootstrap: [worker] });
    await asker.until<{ items: { ring: string }[] }>(
      '/api/market?capability=text.summarize',
      ({ items }) => items.length > 0,
    );
  });

  afterAll(() => cluster[Symbol.asyncDispose]());

  it('run a capsule where it is offered, pay for it, and can say why', async () => {
    const file = join(asker.directory, 'text.md');
    writeFileSync(file, 'A capsule is signed. A node runs it. A receipt proves it.');
    const view = await json<CapsuleView>('run', 'text.summarize', '--input', file, '--pay', '3');
    expect(view).toMatchObject({
      status: 'completed',
      executor: worker.nodeId,
      receipt: { identity: worker.identity },
    });
    expect((await ask('show', view.id)).stdout).toContain(worker.nodeId);
    expect((await ask('explain', view.id)).stdout).toContain(worker.nodeId);
    expect((await ask('workflow', 'show', view.id)).stdout).toContain('text.summarize  completed');
    expect((await ask('credits')).stdout).toMatch(new RegExp(`${worker.identity} {2}2\\.000000`));
    expect(await ask('credits', 'reconcile', worker.nodeId)).toMatchObject({ code: 0 });
    expect(await ask('credits', 'verify')).toMatchObject({ code: 0 });
    expect((await ask('receipts', 'show', view.id)).stdout).toContain(worker.identity);
  });

  it('export receipts that verify without a node', async () => {
    const out = join(asker.directory, 'receipts.jsonl');
    const there = ['--data', worker.directory];
    await capsule(['run', 'test.echo', 'hello', ...there]);
    expect(await capsule(['receipts', 'verify', ...there])).toMatchObject({ code: 0 });
    expect(await capsule(['receipts', 'export', '--out', out, ...there])).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
    const exported = await capsule(['receipts', 'export', ...there]);
    expect(exported.stdout).toBe(readFileSync(out, 'utf8'));
    expect(await capsule(['receipts', 'verify', '--from', out])).toMatchObject({ code: 0 });
    writeFileSync(out, exported.stdout.replace('"status":"completed"', '"status":"failed"'));
    expect(await capsule(['receipts', 'verify', '--from', out])).toMatchObject({ code: 1 });
  });

  it('end with 1 when the capsule fails or nobody offers it, and with 4 when it is refused', async () => {
    const failed = await ask('run', 'test.fail', '--payload', '{"message":"No."}', '--retries', '0');
    expect(failed).toMatchObject({ code: 1, stdout: '' });
    expect(failed.stderr).toMatch(/^capsule: .*\n/);
    const nobody = await ask('run', 'no.such', '--payload', '{}', '--retries', '0');
    expect(nobody).toMatchObject({ code: 1, stdout: '' });
    expect(nobody.stderr).toContain('(no_provider)');
    const refused = await capsule(['status', '--data', asker.directory], {
      env: { CAPSULE_API_TOKEN: 'a'.repeat(64) },
    });
    expect(refused).toMatchObject({ code: 4, stdout: '' });
  });

  it('submit again what failed, a chain from its root', async () => {
    const here = async (...args: string[]) => {
      const ran = await inProcess([...args, '--data', asker.directory, '--json']);
      return { ...ran, view: JSON.parse(ran.stdout) as CapsuleView };
    };
    const next = JSON.stringify({ requestedCapability: 'test.fail', payloadTemplate: { message: 'No.' } });
    const { view: root } = await here('run', 'test.echo', 'one', '--retries', '0', '--next', next);
    expect(await asker.workflowEnded(root.id)).toMatchObject({ status: 'failed', steps: 2 });
    const [step = ''] = (await asker.view(root.id)).children;
    const again = await here('retry', step);
    expect(again).toMatchObject({ code: 0, view: { status: 'completed', result: root.result } });
    expect(again.stderr).toContain(`submitted again, from ${root.id}`);
    expect(again.view.id).not.toBe(root.id);
    expect(await asker.workflowEnded(again.view.id)).toMatchObject({ status: 'failed', steps: 2 });
    const there = await capsule(['retry', step, '--data', worker.directory]);
    expect(there).toMatchObject({ code: 4, stderr: expect.stringContaining('(permission_denied)') });
  });

  it('go on when a wait is interrupted, and cancel when asked', async () => {
    const waiting = spawnCapsule(['run', 'test.hang', '--payload', '{}', '--data', asker.directory]);
    const { id } = await asker
      .until<{ items: CapsuleView[] }>(
        '/api/capsules?capability=test.hang&status=executing',
        ({ items }) => items.length > 0,
      )
      .then(({ items: [first] }) => first ?? expect.fail('no capsule'));
    waiting.child.kill('SIGINT');
    const interrupted = await waiting.ended;
    expect(interrupted).toMatchObject({ code: 130, stdout: '' });
    expect(interrupted.stderr).toContain(`capsule watch ${id}`);
    expect((await asker.view(id)).status).toBe('executing');
    const watching = spawnCapsule(['watch', id, '--json', '--data', asker.directory]);
    await printed(watching, 'stdout', 'executing');
    expect(await ask('cancel', id)).toMatchObject({ code: 0 });
    const lines = (await watching.ended).stdout.trim().split('\n');
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({
      type: 'done',
      status: 'failed',
      error: { code: 'cancelled' },
    });
    expect(await ask('cancel', id)).toMatchObject({ code: 1, stderr: expect.stringContaining('(conflict)') });
  });
});
