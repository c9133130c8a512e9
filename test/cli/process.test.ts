import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { capsule, mainFile, spawnCapsule } from '../support/cli.ts';
import { version } from '../support/package.ts';

describe('the command as a process', () => {
  it('ends with the code and keeps standard output for the answer', async () => {
    expect(await capsule(['--version'])).toEqual({ code: 0, stdout: `capsule ${version}\n`, stderr: '' });
    expect(await capsule([])).toMatchObject({ code: 2, stdout: '' });
    const unknown = await capsule(['strat']);
    expect(unknown).toEqual({
      code: 2,
      stdout: '',
      stderr: "capsule: Unknown command 'strat'. (usage)\nDid you mean start?\n",
    });
  });

  it.each(['bash', 'zsh', 'fish'])('prints a completion script for %s', async (shell) => {
    const ran = await capsule(['completion', shell]);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toContain('capsule complete --');
  });

  it('completes commands, options and their values', async () => {
    expect((await capsule(['complete', '--', 'work'])).stdout).toMatch(/^workflow\t/);
    expect((await capsule(['complete', '--', 'run', '--loc'])).stdout).toMatch(/^--locality\t/);
    expect((await capsule(['complete', '--', 'run', '--locality', ''])).stdout).toContain('ring1');
  });

  it('ends quietly when nobody reads its output any more', async () => {
    const { child, ended, soFar } = spawnCapsule(['completion', 'bash']);
    child.stdout.destroy();
    expect((await ended).code).toBe(0);
    expect(soFar.stderr).toBe('');
  });
});

describe('completion in bash without bash-completion', () => {
  /** What the shell would offer for the words, the last of which is being typed, in a folder with one file. */
  async function offers(...words: string[]): Promise<string[]> {
    const folder = mkdtempSync(join(tmpdir(), 'capsule-bash-'));
    try {
      mkdirSync(join(folder, 'bin'));
      writeFileSync(join(folder, 'a report.capsule'), '');
      const command = `#!/bin/sh\nexec "${process.execPath}" "${mainFile()}" "$@"\n`;
      writeFileSync(join(folder, 'bin/capsule'), command, { mode: 0o755 });
      const script = [
        'source <(capsule completion bash)',
        'source <(capsule completion bash)',
        'COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))',
        'complete -p capsule >&2',
        '_capsule_complete',
        `printf '%s\\n' "$\{COMPREPLY[@]}"`,
      ].join('\n');
      const { stdout, stderr } = await promisify(execFile)(
        'bash',
        ['--norc', '--noprofile', '-c', script, 'bash', 'capsule', ...words],
        { cwd: folder, env: { ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH ?? ''}` } },
      );
      expect(stderr).toBe('complete -F _capsule_complete capsule\n');
      return stdout.split('\n').filter((line) => line !== '');
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  it('offers commands, values and files, also when sourced twice', async () => {
    expect(await offers('comp')).toEqual(['completion']);
    expect(await offers('run', '--locality', 'r')).toEqual(['ring1', 'ring2']);
    expect(await offers('verify', 'a')).toEqual(['a report.capsule']);
  });
});
