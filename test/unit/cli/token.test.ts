import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Api, createApi } from '../../../src/api/api.ts';
import { runCli } from '../../../src/cli/program.ts';
import { DatabasePrincipals } from '../../../src/daemon/principals.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { memoryNode, TOKEN } from '../../support/api-components.ts';
import { inProcess, memoryIo } from '../../support/cli.ts';
import { memoryTestDatabase } from '../../support/database.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

let api: Api;
let env: Record<string, string>;
let folder: string;
const run = (...args: string[]) => inProcess(args, { env });

beforeEach(async () => {
  const clock = new VirtualClock(Date.now());
  const principals = await DatabasePrincipals.open({
    db: memoryTestDatabase(),
    crypto: nodeCrypto,
    ageNow: () => clock.now(),
  });
  const node = memoryNode(clock, principals);
  api = createApi(node.components, node.init);
  await api.start();
  folder = mkdtempSync(join(tmpdir(), 'capsule-token-'));
  env = { CAPSULE_API_URL: api.url, CAPSULE_API_TOKEN: TOKEN, CAPSULE_DATA: folder };
});
afterEach(async () => {
  await api.stop();
  rmSync(folder, { recursive: true });
});

describe('capsule token', () => {
  it('makes one that is printed alone, once, and opens what its scope says', async () => {
    const args = ['editor', '--scope', 'run', '--capability', 'ai.chat', '--capability', 'text.stats'];
    const made = await run('token', 'create', ...args, '--spend', '10/day', '--expires', '90d');
    expect(made).toMatchObject({ code: 0, stderr: expect.stringContaining('only time') });
    expect(made.stdout).toMatch(/^capsule_[\w-]{43}\n$/);
    const listed = await run('token', 'list');
    expect(listed.stdout).toMatch(/^editor +run +ai\.chat, text\.stats +0 of 10 cr +0 +20\d\d-/m);
    expect(listed.stdout).not.toContain(made.stdout.trim());

    env.CAPSULE_API_TOKEN = made.stdout.trim();
    expect(await run('market')).toMatchObject({ code: 0 });
    const denied = await run('permissions', 'grant', 'notify', 'network:config');
    expect(denied).toMatchObject({ code: 4, stdout: '' });
    expect(denied.stderr).toBe(
      'capsule: This needs a token with the scope "admin"; this one has the scope "run". (permission_denied)\n' +
        'The node’s owner makes another one: capsule token create\n',
    );
    const other = await run('run', 'notify.log', 'x');
    expect(other.stderr).toMatch(/may not ask for notify\.log.*\n.*capsule token create\n$/);
  });

  it('revokes it', async () => {
    const token = (await run('token', 'create', 'editor', '--scope', 'admin')).stdout.trim();
    expect(await run('token', 'revoke', 'editor')).toMatchObject({ code: 0, stdout: 'revoked: editor\n' });
    expect((await run('token', 'list')).stdout).toBe('The owner’s token is the only one.\n');
    expect(await run('token', 'revoke', 'editor')).toMatchObject({ code: 1 });
    env.CAPSULE_API_TOKEN = token;
    expect(await run('status')).toMatchObject({ code: 4, stderr: expect.stringContaining('(unauthorized)') });
  });

  it('lists page by page', async () => {
    for (const name of ['a', 'b', 'c']) await run('token', 'create', name, '--scope', 'read');
    const first = await run('token', 'list', '--limit', '2');
    expect(first.stdout).toContain('(more: --cursor 2)');
    const second = JSON.parse((await run('token', 'list', '--cursor', '2', '--json')).stdout);
    expect(second).toMatchObject({ items: [{ name: 'c', scope: 'read' }], cursor: null });
    expect((await run('token', 'list', '--cursor', 'x')).code).toBe(2);
  });

  it.each([
    ['no scope', ['x'], '--scope'],
    ['an unknown scope', ['x', '--scope', 'root'], 'root'],
    ['a name that is none', ['-X-', '--scope', 'run'], ''],
    ['a sum that is none', ['x', '--scope', 'run', '--spend', 'all'], '10/day'],
    ['a date that is none', ['x', '--scope', 'run', '--expires', 'soon'], '90d'],
    ['a date that does not exist', ['x', '--scope', 'run', '--expires', '2027-13-45'], '90d'],
    ['a date that is over', ['x', '--scope', 'run', '--expires', '2001-01-01'], 'expired'],
  ])('refuses %s', async (_name, args, text) => {
    const ran = await run('token', 'create', ...args);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain(text);
    expect((await run('token', 'list')).stdout).toContain('the only one');
  });
});

describe('capsule console', () => {
  it('prints a fresh address each time', async () => {
    const [first, second] = [await run('console'), await run('console')];
    expect(first.stdout).toMatch(new RegExp(`^${api.url}/#code=[\\w-]{43}\n$`));
    expect(second.stdout).not.toBe(first.stdout);
    const { code, url } = JSON.parse((await run('console', '--json')).stdout);
    expect(url).toBe(`${api.url}/#code=${code}`);
  });

  it('opens it for a person at a terminal, and for nobody else', async () => {
    const opened = async (tty: boolean, ...args: string[]) => {
      const io = memoryIo({ env, tty });
      expect(await runCli(['console', ...args], io)).toBe(0);
      return { opened: io.opened, printed: io.printed.stdout.trim() };
    };
    const terminal = await opened(true);
    expect(terminal.opened).toEqual([terminal.printed]);
    expect((await opened(true, '--no-open')).opened).toEqual([]);
    expect((await opened(true, '--json')).opened).toEqual([]);
    expect((await opened(false)).opened).toEqual([]);
  });
});
