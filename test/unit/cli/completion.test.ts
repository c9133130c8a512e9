import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Api, createApi } from '../../../src/api/api.ts';
import { memoryNode, NODE_ID, TOKEN } from '../../support/api-components.ts';
import { inProcess } from '../../support/cli.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

let node: ReturnType<typeof memoryNode>;
let api: Api;
let folder: string;
let env: Record<string, string>;
let id: string;

beforeAll(async () => {
  node = memoryNode(new VirtualClock(Date.now()));
  api = createApi(node.components, node.init);
  await api.start();
  folder = mkdtempSync(join(tmpdir(), 'capsule-completion-'));
  env = { CAPSULE_API_URL: api.url, CAPSULE_API_TOKEN: TOKEN, CAPSULE_DATA: folder };
  ({ id } = await node.components.capsules.submit(node.components.signDraft(node.draft())));
  node.fail(id, { code: 'timeout', message: 'Late.' });
});

afterAll(async () => {
  await api.stop();
  rmSync(folder, { recursive: true });
});

const complete = async (...words: string[]): Promise<string[]> => {
  const { stdout } = await inProcess(['complete', '--', ...words], { env });
  return stdout.split('\n').flatMap((line) => (line === '' ? [] : [line.split('\t')[0] ?? '']));
};

it.each([
  [['work'], ['workflow']],
  [['receipts', 've'], ['verify']],
  [['run', '--loc'], ['--locality']],
  [['run', '--no-'], ['--no-trunc']],
  [
    ['run', '--locality', 'ring'],
    ['ring1', 'ring2'],
  ],
  [
    ['run', '--locality=ring'],
    ['--locality=ring1', '--locality=ring2'],
  ],
  [
    ['run', '--locality', '=', 'ring'],
    ['ring1', 'ring2'],
  ],
  [['completion', 'f'], ['fish']],
  [['run', 'x', '--input', ''], [':files']],
  [['verify', 're'], [':files']],
  [['extract', 'a.capsule', ''], [':files']],
  [['start', '--data', ''], [':files']],
  [['run', 'not'], ['notify.log']],
  [['list', '--capability', 'te'], ['text.stats']],
  [['capabilities', 'trust', ''], ['notify']],
  [['permissions', 'grant', 'no'], ['notify']],
  [['permissions', 'grant', 'notify', 'net'], ['network:config']],
  [['run', 'text.stats', 'x', '--pay', ''], []],
])('%j gives %j', async (words, expected) => {
  expect(await complete(...words)).toEqual(expected);
});

it('gives ids by their beginning and by their end, and nodes', async () => {
  expect(await complete('show', '')).toEqual([id]);
  expect(await complete('show', id.slice(0, 3))).toEqual([id]);
  expect(await complete('retry', `…${id.slice(-6)}`)).toEqual([id]);
  expect(await complete('run', 'x', '--on', `...${NODE_ID.slice(-6)}`)).toEqual([NODE_ID]);
  expect(await complete('credits', 'reconcile', '12D3')).toEqual([NODE_ID]);
});

it('gives nothing, and says nothing, where no node runs', async () => {
  const nowhere = { env: { CAPSULE_DATA: join(folder, 'none') } };
  expect(await inProcess(['complete', '--', 'show', ''], nowhere)).toEqual({
    code: 0,
    stdout: '',
    stderr: '',
  });
});

it('finds the node of the options that were typed before', async () => {
  const words = ['show', '--data', folder, '--api-url', api.url, ''];
  const ran = await inProcess(['complete', '--', ...words], { env: { CAPSULE_API_TOKEN: TOKEN } });
  expect(ran.stdout).toContain(id);
});
