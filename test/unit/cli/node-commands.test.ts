import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Api, createApi } from '../../../src/api/api.ts';
import { runCli } from '../../../src/cli/program.ts';
import { MeshError } from '../../../src/lib/errors.ts';
import { IDENTITY, memoryNode, NODE_ID, TOKEN } from '../../support/api-components.ts';
import { inProcess, memoryIo } from '../../support/cli.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const UNKNOWN = '0'.repeat(64);

describe('commands that call a node', () => {
  let node: ReturnType<typeof memoryNode>;
  let api: Api;
  let env: Record<string, string>;
  let folder: string;

  const run = (...args: string[]) => inProcess(args, { env });
  const json = async (...args: string[]): Promise<unknown> =>
    JSON.parse((await run(...args, '--json')).stdout);

  /** Resolves with the id once somebody has submitted a capsule and follows it. */
  async function followed(): Promise<string> {
    const { submit, follow } = node.components.capsules;
    return new Promise((resolve) => {
      let submitted = '';
      node.components.capsules.submit = async (...args) => {
        const answer = await submit(...args);
        submitted = answer.id;
        return answer;
      };
      node.components.capsules.follow = (...args) => {
        const removal = follow(...args);
        resolve(submitted || (args[1]?.capsuleId ?? ''));
        return removal;
      };
    });
  }

  async function submit(): Promise<string> {
    const { id } = await node.components.capsules.submit(node.components.signDraft(node.draft()));
    return id;
  }

  beforeEach(async () => {
    const clock = new VirtualClock(Date.now());
    node = memoryNode(clock);
    api = createApi(node.components, node.init);
    await api.start();
    folder = mkdtempSync(join(tmpdir(), 'capsule-commands-'));
    env = { CAPSULE_API_URL: api.url, CAPSULE_API_TOKEN: TOKEN, CAPSULE_DATA: folder };
  });

  afterEach(async () => {
    await api.stop();
    rmSync(folder, { recursive: true });
  });

  it.each([
    ['status', NODE_ID],
    ['peers', 'No peers'],
    ['market', 'ring1'],
    ['market --capability text.keywords', 'text.keywords'],
    ['capabilities', 'notify.log'],
    ['capabilities trust notify', 'notify: ready'],
    ['list', 'No capsules.'],
    ['workflow list', 'No workflows.'],
    ['credits', 'may owe up to 1000 cr'],
    ['credits history', 'grant:one'],
    ['credits verify', 'in order: 1 entry'],
    [`credits grant ${IDENTITY} 2.5`, `${IDENTITY} has 2.5 cr now`],
    [`credits reconcile ${NODE_ID}`, 'the books agree: 0 entries here, 0 there'],
    ['receipts list', 'No receipts yet.'],
    ['receipts verify', 'in order: 0 receipts'],
    ['permissions list', 'network:config  not granted'],
    ['permissions grant notify network:config', 'granted'],
    ['permissions revoke notify network:config', 'not granted'],
  ])('%s answers a person, and a program with one document', async (command, text) => {
    const args = command.split(' ');
    const shown = await run(...args);
    expect(shown).toMatchObject({ code: 0, stderr: '' });
    expect(shown.stdout).toContain(text);
    const ran = await run(...args, '--json');
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(ran.stdout)).toBeTypeOf('object');
    expect(ran.stdout.trim()).not.toContain('\n');
  });

  it('lists page by page, and says how to go on', async () => {
    const ids = [
      await submit(),
      await node.components.capsules.submit(node.components.signDraft(node.draft('b'))),
    ];
    expect(ids).toHaveLength(2);
    const first = await run('list', '--limit', '1');
    const cursor = /^\(more: --cursor (\S+)\)$/m.exec(first.stdout)?.[1] ?? '';
    const second = await run('list', '--limit', '1', '--cursor', cursor);
    expect(second.stdout).not.toContain('more:');
    const shown = [first, second].map(({ stdout }) => /^[0-9a-f]{64}/m.exec(stdout)?.[0]);
    expect(new Set(shown)).toEqual(new Set(node.views.keys()));
    const market = JSON.parse((await run('market', '--limit', '1', '--json')).stdout);
    expect(market).toMatchObject({ items: [{ ring: 'local' }], cursor: '1' });
    expect((await run('market', '--cursor', '1')).stdout).toContain('ring1');
    for (const list of [
      'workflow list',
      'credits',
      'credits history',
      'receipts list',
      'peers',
      'permissions list',
    ])
      expect((await run(...list.split(' '), '--limit', '5', '--cursor', '0')).code, list).toBe(0);
  });

  it('puts the addresses of a node below each other', async () => {
    const found = await node.components.node.status();
    const addresses = ['/ip4/127.0.0.1/tcp/1', '/ip4/192.168.1.2/tcp/1'];
    node.components.node.status = () => ({ ...found, addresses });
    const lines = (await run('status')).stdout.split('\n').filter((line) => line.includes('/tcp/1'));
    expect(lines.map((line) => line.indexOf('/ip4'))).toEqual([14, 14]);
  });

  it('tells what is not on offer of a module that is ready', async () => {
    node.components.engine.offers = () => [];
    expect((await run('capabilities')).stdout).toMatch(/^notify\.log .* not offered$/m);
  });

  it('lists, shows and explains a capsule', async () => {
    const id = await submit();
    expect((await run('list')).stdout).toContain(id);
    expect((await run('list', '--status', 'failed')).stdout).toContain('No capsules.');
    expect((await run('show', id)).stdout).toContain('pending');
    expect((await run('workflow', 'show', id)).stdout).toMatch(/pending, 1 step\ntext\.stats {2}pending/);
    expect((await run('explain', id)).stdout).toContain(`left out: ${NODE_ID} (busy)`);
    expect((await run('cancel', id)).stdout).toBe(`cancelled: ${id}\n`);
  });

  it.each(['show', 'cancel', 'retry', 'explain', 'watch', 'workflow show', 'receipts show'])(
    '%s of something unknown fails with 1',
    async (command) => {
      const ran = await run(...command.split(' '), UNKNOWN);
      expect(ran).toMatchObject({ code: 1, stdout: '' });
      expect(ran.stderr).toMatch(/^capsule: .* \(not_found\)\n/);
    },
  );

  it('fails with 1 where the books or the chain are not in order', async () => {
    node.components.ledger.verify = async () => ({
      ok: false,
      entries: 2,
      problems: ['Entry 2 was edited.'],
    });
    node.components.engine.receipts.verify = async () => ({
      ok: false,
      receipts: 2,
      problems: [{ sequence: 2, receiptHash: null, problem: 'It was edited.' }],
    });
    expect(await run('credits', 'verify')).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('was edited'),
    });
    expect(await run('receipts', 'verify')).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('receipt 2: It'),
    });
    expect(await run('receipts', 'verify', '--json')).toMatchObject({ code: 1 });
  });

  it('refuses with 4 and says where the token is when it is wrong', async () => {
    env.CAPSULE_API_TOKEN = 'cd'.repeat(32);
    const ran = await run('status');
    expect(ran).toMatchObject({ code: 4, stdout: '' });
    expect(ran.stderr).toMatch(/^capsule: .* \(unauthorized\)\nThe token is in/);
  });

  it('fails with 3 and the next step where no node answers', async () => {
    await api.stop();
    const ran = await run('status', '--json');
    expect(ran).toMatchObject({ code: 3, stdout: '' });
    expect(ran.stderr).toMatch(
      /^capsule: No node answers at .* \(unreachable\)\nStart one with `capsule start`/,
    );
    delete env.CAPSULE_API_URL;
    expect((await run('status')).stderr).toContain(`No node runs with the data directory ${folder}`);
  });

  it('runs a capsule and prints the text of its result, once, in a pipe', async () => {
    const following = followed();
    const running = run(
      'run',
      'text.stats',
      'hello',
      '--pay',
      '1',
      '--prepay',
      '--retries',
      '2',
      '--on',
      NODE_ID,
    );
    const id = await following;
    node.emit({ type: 'progress', epoch: 1, capsuleId: id, delta: 'par' });
    node.end(id, { summary: 'partial no more' });
    expect(await running).toEqual({ code: 0, stdout: 'partial no more\n', stderr: '' });
    expect(node.submitted).toEqual([{ executor: NODE_ID, signedHere: true }]);
    const view = await node.components.capsules.view(id);
    expect(view?.capsule).toMatchObject({
      payload: { text: 'hello' },
      paymentRule: { type: 'credit', amount: 1, requirePrepay: true },
      executionPolicy: { maxRetries: 2 },
    });
  });

  it('streams text to a terminal and does not repeat it', async () => {
    const io = memoryIo({ env, tty: true });
    const following = followed();
    const running = runCli(['run', 'text.stats', 'hello'], io);
    const id = await following;
    node.emit({ type: 'progress', epoch: 1, capsuleId: id, stage: 'thinking' });
    node.emit({ type: 'progress', epoch: 1, capsuleId: id, delta: 'Hello\u001b[2J ' });
    node.emit({ type: 'progress', epoch: 1, capsuleId: id, delta: 'world' });
    node.end(id, { text: 'Hello\u001b[2J world' });
    expect(await running).toBe(0);
    expect(io.printed.stdout).toBe('Hello\\x1b[2J world\n');
    expect(io.printed.stderr).toContain('thinking');
  });

  it('says when a model had no more tokens for the answer', async () => {
    const io = memoryIo({ env, tty: true });
    const following = followed();
    const running = runCli(['run', 'text.stats', 'hello'], io);
    const id = await following;
    node.emit({ type: 'progress', epoch: 1, capsuleId: id, delta: 'Half' });
    node.end(id, { text: 'Half', ended: 'length' });
    expect(await running).toBe(0);
    expect(io.printed.stdout).toBe('Half\n');
    expect(io.printed.stderr).toContain('The answer was cut');
  });

  it('begins anew on a terminal when another attempt does', async () => {
    const io = memoryIo({ env, tty: true });
    const following = followed();
    const running = runCli(['run', 'text.stats', 'hello'], io);
    const id = await following;
    node.emit({ type: 'progress', epoch: 1, capsuleId: id, delta: 'Half' });
    node.emit({ type: 'status', capsuleId: id, status: 'executing', executor: NODE_ID });
    node.emit({ type: 'progress', epoch: 2, capsuleId: id, delta: 'Wh' });
    node.emit({ type: 'progress', epoch: 2, capsuleId: id, delta: 'ole' });
    node.end(id, 'Whole');
    await running;
    expect(io.printed.stdout).toBe('Half\nWhole\n');
  });

  it('says where streamed text was lost, and prints the whole in the end', async () => {
    const io = memoryIo({ env, tty: true });
    const following = followed();
    const running = runCli(['run', 'text.stats', 'hello'], io);
    const id = await following;
    node.emit({ type: 'progress', epoch: 1, capsuleId: id, delta: 'One ' });
    node.emit({ type: 'progress', epoch: 1, capsuleId: id, missing: 2, delta: ' four' });
    node.end(id, 'One two three four');
    expect(await running).toBe(0);
    expect(io.printed.stdout).toBe('One [2 parts missing] four\nOne two three four\n');
  });

  it('says on a terminal that nobody has it yet, and why', async () => {
    const io = memoryIo({ env, tty: true });
    const following = followed();
    const running = runCli(['run', 'text.stats', 'hello'], io);
    const id = await following;
    const note = `1 node offers text.stats,\u001b none has room now. ${'x'.repeat(200)}`;
    node.emit({ type: 'status', capsuleId: id, status: 'announced', executor: null, note });
    node.end(id, 'done');
    expect(await running).toBe(0);
    expect(io.printed.stderr).toMatch(/waiting: 1 node offers text\.stats,\\x1b none has room now\. x+… · /);
    expect(io.printed.stderr).not.toContain('x'.repeat(80));
  });

  it('says before a paid chain is sent what it costs at most, and again with --json', async () => {
    const next = JSON.stringify([
      { requestedCapability: 'report.create', payloadTemplate: {} },
      { requestedCapability: 'data.store', payloadTemplate: {}, paymentRule: null },
    ]);
    const following = followed();
    const running = run('run', 'text.stats', 'hello', '--pay', '2', '--next', next, '--json');
    node.end(await following, {});
    const ran = await running;
    expect(ran.stderr).toBe('Costs at most 4 credits: at most 2 for each of 2 capsules of the chain.\n');
    expect(JSON.parse(ran.stdout)).toMatchObject({ status: 'completed', costAtMost: 4 });
  });

  it('says so before the node has the chain', async () => {
    node.components.capsules.submit = async () => {
      throw new MeshError('busy', 'No place.');
    };
    const next = JSON.stringify({ requestedCapability: 'a.b', payloadTemplate: {} });
    const ran = await run('run', 'text.stats', 'hello', '--pay', '0.1', '--next', next);
    expect(ran.stderr).toMatch(/^Costs at most 0\.2 credits: .*\ncapsule: No place\. \(busy\)/);
  });

  it('submits again what failed, and waits for it as run does', async () => {
    const id = await submit();
    node.fail(id, { code: 'timeout', message: 'It took too long.' });
    const following = followed();
    const running = run('retry', id);
    const again = await following;
    node.end(again, { text: 'at last' });
    expect(await running).toEqual({ code: 0, stdout: 'at last\n', stderr: '' });
    expect(again).not.toBe(id);
    const detached = await json('retry', id, '--detach', '--on', NODE_ID);
    expect(detached).toEqual({ id: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(node.submitted.at(-1)).toEqual({ executor: NODE_ID, signedHere: true });
    const refused = await run('retry', again);
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('(conflict)') });
  });

  it('says that the whole chain of a step is submitted again', async () => {
    const root = await submit();
    const { id } = await node.components.capsules.submit(node.components.signDraft(node.draft('step')));
    const step = node.views.get(id) ?? expect.fail('no step');
    node.views.set(id, { ...step, record: { ...step.record, root, parentCapsule: root, chainDepth: 1 } });
    node.end(root, {});
    node.fail(id, { code: 'timeout', message: 'It took too long.' });
    const ran = await run('retry', id, '--detach');
    expect(ran).toMatchObject({ code: 0, stderr: expect.stringContaining(`from ${root}`) });
    const again = node.views.get(ran.stdout.trim());
    expect(again?.capsule.payload).toEqual({ text: 'hello' });
  });

  it('shows for a person that a capsule waits, and why', async () => {
    const id = await submit();
    const view = node.views.get(id) ?? expect.fail('no capsule');
    const reason = { code: 'no_provider', message: 'No node that is known offers it.' } as const;
    const record = { ...view.record, status: 'announced' } as const;
    const waiting = { reason, until: 1_800_000_000_000, again: null };
    node.views.set(id, { ...view, status: 'announced', waiting, record });
    const why = 'No node that is known offers it. (no_provider) It waits until 2027-01-15 08:00:00 UTC.';
    expect((await run('show', id)).stdout).toMatch(/^status +waiting$/m);
    expect((await run('show', id)).stdout).toContain(why);
    expect((await run('explain', id)).stdout).toContain(`waiting: ${why}`);
    expect((await run('list', '--status', 'waiting')).stdout).toMatch(/ {2}waiting {2}/);
    expect(await json('explain', id)).toMatchObject({ items: [{}], waiting });
  });

  it('gives the whole record with --json', async () => {
    const following = followed();
    const running = run('run', 'text.stats', 'hello', '--json');
    const id = await following;
    node.end(id, { words: 1 });
    const ran = await running;
    expect(JSON.parse(ran.stdout)).toEqual({
      id,
      status: 'completed',
      executor: null,
      result: { words: 1 },
      error: null,
      receipt: null,
      children: [],
      costAtMost: 0,
    });
    expect(ran.stderr).toBe('');
  });

  it('writes the result to a file, whole or not at all', async () => {
    const out = join(folder, 'result.txt');
    const following = followed();
    const running = run('run', 'text.stats', 'hello', '--out', out);
    node.end(await following, 'done');
    expect(await running).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(readFileSync(out, 'utf8')).toBe('done\n');
    expect(readdirSync(folder)).toEqual(['result.txt']);
  });

  it('fails with 1 and the reason when the capsule fails', async () => {
    const following = followed();
    const running = run('run', 'text.stats', 'hello', '--json');
    const id = await following;
    const view = await node.components.capsules.view(id);
    if (view === undefined) throw new Error('no view');
    Object.assign(view, { status: 'failed', error: { code: 'timeout', message: 'It took too long.' } });
    node.emit({ type: 'done', capsuleId: id, status: 'failed', error: view.error });
    const ran = await running;
    expect(ran).toMatchObject({ code: 1, stderr: 'capsule: It took too long. (timeout)\n' });
    expect(JSON.parse(ran.stdout)).toMatchObject({ id, status: 'failed', error: { code: 'timeout' } });
  });

  it('stops waiting at Ctrl-C, says that the work goes on, and ends at once at a second one', async () => {
    const io = memoryIo({ env });
    const following = followed();
    const running = runCli(['run', 'text.stats', 'hello'], io);
    const id = await following;
    io.interrupt();
    io.interrupt();
    expect(await running).toBe(130);
    expect(io.exits).toEqual([130]);
    expect(io.printed.stderr).toContain(`the capsule goes on. Follow it with: capsule watch ${id}`);
    expect((await node.components.capsules.view(id))?.status).toBe('pending');
  });

  it('names the capsule also when Ctrl-C comes before the node has answered', async () => {
    const io = memoryIo({ env });
    const { submit } = node.components.capsules;
    node.components.capsules.submit = async (...args) => {
      io.interrupt();
      return submit(...args);
    };
    expect(await runCli(['run', 'text.stats', 'hello'], io)).toBe(130);
    const [id] = [...node.views.keys()];
    expect(io.printed.stderr).toContain(`capsule watch ${String(id)}`);
  });

  it('prints the id and does not wait with --detach', async () => {
    const ran = await run('run', 'text.stats', 'hello', '--detach');
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect((await node.components.capsules.view(ran.stdout.trim()))?.status).toBe('pending');
  });

  it('submits what was signed and what was not, from a file and from standard input', async () => {
    const file = join(folder, 'capsule.json');
    const signed = node.components.signDraft(node.draft());
    writeFileSync(file, JSON.stringify(signed));
    expect(await json('submit', file)).toEqual({ id: signed.id });
    expect(await run('submit', file)).toEqual({ code: 0, stdout: `${signed.id}\n`, stderr: '' });
    const unsigned = await inProcess(['submit', '-'], { env, input: JSON.stringify(node.draft('other')) });
    expect(unsigned).toMatchObject({ code: 0 });
    writeFileSync(file, JSON.stringify({ ...signed, payload: { text: 'tampered' } }));
    const refused = await run('submit', file);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain('(invalid_signature)');
  });

  it('watches a capsule to its end', async () => {
    const id = await submit();
    const following = followed();
    const watching = run('watch', id);
    await following;
    node.end(id, null);
    const ran = await watching;
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(/ {2}pending\n.* {2}done {2}completed\n$/);
  });

  it('goes on following where a broken connection left off', async () => {
    const id = await submit();
    const following = followed();
    const io = memoryIo({ env });
    const watching = runCli(['watch', id, '--json'], io);
    await following;
    node.emit({ type: 'progress', epoch: 1, capsuleId: id, stage: 'one' });
    const again = followed();
    const { port } = new URL(api.url);
    await api.stop();
    api = createApi(node.components, { ...node.init, port: Number(port) });
    await api.start();
    await again;
    node.end(id, null);
    expect(await watching).toBe(0);
    const events = io.printed.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string });
    expect(events.map(({ type }) => type)).toEqual(['status', 'progress', 'done']);
  });
});
