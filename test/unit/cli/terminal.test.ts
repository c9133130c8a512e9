import { execFileSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Api, createApi } from '../../../src/api/api.ts';
import { memoryNode, NODE_ID, TOKEN } from '../../support/api-components.ts';
import { inProcess } from '../../support/cli.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const ESCAPE = '\u001b';
const COLOUR = new RegExp(`${ESCAPE}\\[\\d+m`, 'g');
/** But for the colours and the cleared status line, which are the command's own. */
const DRIVING = new RegExp(`[\\u0007\\u009b\\u202e]|${ESCAPE}(?!\\[\\d{1,2}m|\\[2K)`);

describe('what a person types and sees', () => {
  let node: ReturnType<typeof memoryNode>;
  let api: Api;
  let folder: string;
  let env: Record<string, string>;

  beforeEach(async () => {
    node = memoryNode(new VirtualClock(Date.now()));
    api = createApi(node.components, node.init);
    await api.start();
    folder = mkdtempSync(join(tmpdir(), 'capsule-terminal-'));
    env = { CAPSULE_API_URL: api.url, CAPSULE_API_TOKEN: TOKEN, CAPSULE_DATA: folder };
  });

  afterEach(async () => {
    await api.stop();
    rmSync(folder, { recursive: true });
  });

  const run = (...args: string[]) => inProcess(args, { env });
  const onTerminal = (columns: number, ...args: string[]) => inProcess(args, { env, tty: true, columns });
  const at = (name: string) => join(folder, name);

  async function submit(text = 'hello'): Promise<string> {
    const { id } = await node.components.capsules.submit(node.components.signDraft(node.draft(text)));
    return id;
  }

  /** Ends each capsule as it comes, with its own payload. */
  function echoing(): void {
    const { submit } = node.components.capsules;
    node.components.capsules.submit = async (...args) => {
      const answer = await submit(...args);
      node.end(answer.id, node.views.get(answer.id)?.capsule.payload.text ?? 'no text');
      return answer;
    };
  }

  function fail(id: string, code: 'cancelled' | 'timeout', message: string): void {
    node.fail(id, { code, message });
  }

  describe('ids', () => {
    it.each([
      ['show', (id: string) => id.slice(0, 12)],
      ['show', (id: string) => `${id.slice(0, 12)}…`],
      ['show', (id: string) => `…${id.slice(-8)}`],
      ['explain', (id: string) => `...${id.slice(-8)}`],
      ['cancel', (id: string) => id.slice(0, 12)],
      ['workflow show', (id: string) => `…${id.slice(-12)}`],
    ])('%s takes a short one', async (command, short) => {
      const id = await submit();
      const ran = await run(...command.split(' '), short(id), '--json');
      expect(ran).toMatchObject({ code: 0, stderr: '' });
      expect(ran.stdout).toContain(command === 'explain' ? 'ranking' : id);
    });

    it('lists the candidates of one that is not clear', async () => {
      const ids = await Promise.all(Array.from({ length: 17 }, (_, index) => submit(`text ${index}`)));
      const first =
        ids.map((id) => id.charAt(0)).find((each, index, all) => all.indexOf(each) !== index) ?? '';
      const ran = await run('show', first);
      expect(ran).toMatchObject({ code: 2, stdout: '' });
      expect(ran.stderr).toContain('(usage)');
      for (const id of ids) expect(ran.stderr.includes(`  ${id}`)).toBe(id.startsWith(first));
    });

    it('says what is meant by none, and what is no id', async () => {
      expect(await run('show', 'abc')).toMatchObject({
        code: 1,
        stderr: 'capsule: This node knows no capsule whose id begins with abc. (not_found)\n',
      });
      expect((await run('receipts', 'show', '…0123')).stderr).toContain(
        'receipt or capsule whose id ends with 0123',
      );
    });

    it('takes the end of a node’s id, and speaks of the flag where it is none', async () => {
      const ran = await run('run', 'text.stats', 'x', '--detach', '--on', `…${NODE_ID.slice(-8)}`);
      expect(ran).toMatchObject({ code: 0 });
      expect(node.submitted).toEqual([expect.objectContaining({ executor: NODE_ID })]);
      expect(await run('run', 'text.stats', 'x', '--on', 'kitchen')).toMatchObject({
        code: 2,
        stderr:
          'capsule: --on kitchen is no node that this one knows. (usage)\nSee them with: capsule peers\n',
      });
      expect(await run('credits', 'reconcile', `…${NODE_ID.slice(-8)}`)).toMatchObject({ code: 0 });
    });
  });

  describe('input', () => {
    it.each([
      ['a pipe', ['run', 'text.stats'], 'from the pipe\n', 'from the pipe\n'],
      ['a dash', ['run', 'text.stats', '-'], 'dash', 'dash\n'],
      ['a payload', ['run', 'text.stats', '--payload', '-'], '{"text":"of the payload"}', 'of the payload\n'],
      ['an empty pipe', ['run', 'text.stats'], '', 'no text\n'],
      ['a text beside a pipe', ['run', 'text.stats', 'typed'], 'piped', 'typed\n'],
    ])('reads %s', async (_, args, input, printed) => {
      echoing();
      expect(await inProcess(args, { env, input })).toEqual({ code: 0, stdout: printed, stderr: '' });
    });

    it.each([
      ['500ms', 500],
      ['5s', 5_000],
      ['1.5m', 90_000],
      ['2h', 7_200_000],
      ['250', 250],
    ])('takes %s for a time', async (time, ms) => {
      const ran = await run('create', 'text.stats', 'x', '--timeout', time);
      expect(JSON.parse(ran.stdout)).toMatchObject({ executionPolicy: { timeout: ms } });
    });
  });

  describe('files', () => {
    it('writes nothing over a file, and submits nothing, without --force', async () => {
      writeFileSync(at('out'), 'mine');
      expect(await run('run', 'text.stats', 'x', '--out', at('out'))).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('exists already. (usage)\nReplace it with --force'),
      });
      expect(node.views.size).toBe(0);
      for (const command of ['identity export', 'receipts export', 'create text.stats x'])
        expect(await run(...command.split(' '), '--out', at('out'))).toMatchObject({ code: 2 });
      expect(readFileSync(at('out'), 'utf8')).toBe('mine');
      echoing();
      expect(await run('run', 'text.stats', 'x', '--out', at('out'), '--force')).toMatchObject({ code: 0 });
      expect(readFileSync(at('out'), 'utf8')).toBe('x\n');
    });

    it('writes into a device or a pipe and leaves it what it is', async () => {
      echoing();
      expect(await run('run', 'text.stats', 'x', '--out', '/dev/null', '--force')).toMatchObject({ code: 0 });
      expect(lstatSync('/dev/null').isCharacterDevice()).toBe(true);
      expect(await run('seal', folder, '-o', '/dev/stdout', '--force')).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('is not a file'),
      });
      expect(lstatSync('/dev/stdout').isSymbolicLink()).toBe(true);
      execFileSync('mkfifo', [at('pipe')]);
      // Opened for both, so that neither end waits for the other.
      const pipe = await open(at('pipe'), 'r+');
      expect(await run('run', 'text.stats', 'piped', '--out', at('pipe'))).toMatchObject({ code: 0 });
      const { buffer, bytesRead } = await pipe.read();
      expect(buffer.toString('utf8', 0, bytesRead)).toBe('piped\n');
      await pipe.close();
      expect(lstatSync(at('pipe')).isFIFO()).toBe(true);
    });
  });

  describe('states', () => {
    it('lists what is under way, and nothing else', async () => {
      expect((await run('ps')).stdout).toBe('Nothing is under way.\n');
      const [ended, going] = [await submit('a'), await submit('b')];
      node.end(ended, 'done');
      const { stdout } = await run('ps');
      expect(stdout).toContain(going);
      expect(stdout).not.toContain(ended);
      expect(JSON.parse((await run('ps', '--json')).stdout)).toMatchObject({ items: [{ id: going }] });
    });

    it('calls what was cancelled so, not failed', async () => {
      const id = await submit();
      fail(id, 'cancelled', 'Its origin cancelled it.');
      for (const command of ['list', `show ${id}`, `workflow show ${id}`]) {
        const { stdout } = await run(...command.split(' '));
        expect(stdout).toMatch(/\bcancelled\b/);
        expect(stdout).not.toContain('failed');
      }
      expect(JSON.parse((await run('show', id, '--json')).stdout)).toMatchObject({ status: 'failed' });
    });

    it('has colours on a terminal, unless somebody does not want them', async () => {
      fail(await submit(), 'timeout', 'Late.');
      const red = `${ESCAPE}[31mfailed`;
      const asked = (options: Parameters<typeof inProcess>[1], ...args: string[]) =>
        inProcess(['list', ...args], { ...options, env: { ...env, ...options?.env } }).then(
          ({ stdout }) => stdout,
        );
      expect(await asked({ tty: true })).toContain(red);
      expect(await asked({})).not.toContain(ESCAPE);
      expect(await asked({ tty: true, env: { NO_COLOR: '1' } })).not.toContain(ESCAPE);
      expect(await asked({ tty: true }, '--color', 'never')).not.toContain(ESCAPE);
      expect(await asked({ env: { NO_COLOR: '1' } }, '--color', 'always')).toContain(red);
    });
  });

  describe('tables', () => {
    const widest = (text: string) =>
      Math.max(
        ...text
          .replaceAll(COLOUR, '')
          .split('\n')
          .map((line) => line.length),
      );

    it('fit the terminal, with ids that can be typed again', async () => {
      const id = await submit();
      for (const columns of [80, 100, 200]) {
        const { stdout } = await onTerminal(columns, 'list');
        expect(widest(stdout)).toBeLessThanOrEqual(columns);
        const [shown = ''] = stdout.split('\n')[1]?.split(/\s+/) ?? [];
        expect(await run('show', shown)).toMatchObject({ code: 0, stdout: expect.stringContaining(id) });
      }
      const { stdout } = await onTerminal(70, 'market');
      expect(widest(stdout)).toBeLessThanOrEqual(70);
      expect(stdout).toMatch(new RegExp(`…\\w*${NODE_ID.slice(-8)}`));
    });

    it.each([['--wide'], ['--no-trunc']])('are whole with %s, and in a pipe', async (flag) => {
      const id = await submit();
      expect((await onTerminal(60, 'list', flag)).stdout).toContain(id);
      expect((await run('list')).stdout).toContain(id);
    });
  });

  it.each(['list', 'workflow list'])('goes on in %s where a page ended', async (command) => {
    const { list } = node.components.workflows;
    node.components.workflows.list = async ({ limit = 50, cursor = '0' }) => {
      const { items } = await list({});
      const next = Number(cursor) + limit;
      return { items: items.slice(Number(cursor), next), cursor: next < items.length ? String(next) : null };
    };
    const ids = [await submit('a'), await submit('b'), await submit('c')];
    const first = await run(...command.split(' '), '--limit', '2');
    expect(first.stdout).toMatch(/\(more: --cursor 2\)\n$/);
    const second = await run(...command.split(' '), '--limit', '2', '--cursor', '2');
    expect(second.stdout).not.toContain('more');
    for (const id of ids) expect(first.stdout.includes(id)).toBe(!second.stdout.includes(id));
  });

  describe('words', () => {
    it('tells what a capability takes and gives, with a call', async () => {
      const { stdout } = await run('capabilities', 'notify.log');
      for (const part of [
        'module      notify',
        'takes\n  anything',
        'gives\n',
        "$ capsule run notify.log --payload '{}'",
      ])
        expect(stdout).toContain(part);
      expect((await run('capabilities', 'notify')).stdout).toBe(stdout);
    });

    it.each([
      [['capabilities', 'notify.lag'], 1, 'Did you mean notify.log?'],
      [['capabilities', 'text.stats'], 1, 'capsule market --capability text.stats'],
      [['capabilities', 'trust', 'notfy'], 1, 'Did you mean notify?'],
      [['permissions', 'grant', 'notfy', 'network:config'], 1, 'Did you mean notify?'],
      [['permissions', 'grant', 'notify', 'network:confg'], 1, 'Did you mean network:config?'],
      [['run', 'notify.lgo', 'x', '--detach'], 0, 'Did you mean notify.log?'],
    ])('%j is told %s %s', async (args, code, hint) => {
      const ran = await run(...args);
      expect(ran.code).toBe(code);
      expect(ran.stderr).toContain(hint);
    });

    it('prints on a terminal under which id a capsule runs', async () => {
      echoing();
      const ran = await onTerminal(80, 'run', 'text.stats', 'x');
      const [id] = node.views.keys();
      expect(ran.stderr).toContain(`capsule ${id}\n`);
    });
  });

  describe('text from elsewhere', () => {
    const EVIL = `${ESCAPE}]0;owned\u0007\u009b2J\u202eevil`;
    const harmless = (text: string) => expect(text).not.toMatch(DRIVING);

    it.each([
      ['list'],
      ['show ID'],
      ['workflow show ID'],
      ['watch ID'],
      ['explain ID'],
      ['status'],
      ['retry ID'],
    ])('does not drive the terminal in %s', async (command) => {
      const { submit: plain } = node.components.capsules;
      node.components.capsules.submit = async (...args) => {
        const answer = await plain(...args);
        node.emit({ type: 'progress', capsuleId: answer.id, epoch: 1, stage: EVIL, delta: EVIL });
        fail(answer.id, 'timeout', EVIL);
        return answer;
      };
      const id = await submit();
      const record = node.views.get(id)?.record;
      Object.assign(record ?? {}, { executor: EVIL, requestedCapability: EVIL });
      record?.history.push({ at: 0, status: 'failed', note: EVIL });
      const { status } = node.components.node;
      node.components.node.status = () => ({ ...status(), labels: { room: EVIL }, capabilities: [EVIL] });
      const ran = await onTerminal(80, ...command.replace('ID', id).split(' '));
      harmless(ran.stdout);
      harmless(ran.stderr);
      expect(ran.stdout + ran.stderr).toMatch(command === 'explain ID' ? /text\.stats/ : /evil|…/);
    });
  });
});
