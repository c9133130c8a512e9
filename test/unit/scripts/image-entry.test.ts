import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';

const ENTRY = fileURLToPath(new URL('../../../scripts/image/entry.sh', import.meta.url));
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'capsule-entry-'));
  // Stands in for the program: says what it was called with.
  writeFileSync(join(folder, 'capsule'), '#!/bin/sh\necho "$#:$*"\n');
  chmodSync(join(folder, 'capsule'), 0o755);
});
afterAll(() => rmSync(folder, { recursive: true }));

const enter = (args: string[], data = join(folder, 'data')) =>
  spawnSync('sh', [ENTRY, ...args], {
    encoding: 'utf8',
    env: { PATH: `${folder}:${process.env.PATH ?? ''}`, CAPSULE_DATA: data },
  });

it.each([
  [[], '1:start'],
  [['start'], '1:start'],
  [['--listen', '/ip4/0.0.0.0/tcp/1'], '3:start --listen /ip4/0.0.0.0/tcp/1'],
  [['status'], '1:status'],
  [['run', 'text.stats', '--payload', '{"text": "a b"}'], '4:run text.stats --payload {"text": "a b"}'],
  [['--help'], '1:--help'],
  [['--version'], '1:--version'],
])('runs %j', (args, expected) => {
  expect(enter(args)).toMatchObject({ status: 0, stdout: `${expected}\n`, stderr: '' });
});

it('names the uid and the command that mends it where the volume cannot be written', () => {
  // A folder below a file can be made by nobody, root included.
  const data = join(folder, 'capsule', 'data');
  const { status, stdout, stderr } = enter([], data);
  expect([status, stdout]).toEqual([2, '']);
  const [uid, gid] = [process.getuid?.(), process.getgid?.()];
  expect(stderr).toContain(`${data} does not exist and cannot be written by uid ${uid}`);
  expect(stderr).toContain(
    `--user 0 --entrypoint chown -v VOLUME:${data} capsule-mesh -R ${uid}:${gid} ${data}`,
  );
  expect(enter(['status'], data)).toMatchObject({ status: 0, stdout: '1:status\n' });
});
