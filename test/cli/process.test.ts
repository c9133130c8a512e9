import { describe, expect, it } from 'vitest';
import { capsule, spawnCapsule } from '../support/cli.ts';

describe('the command as a process', () => {
  it('ends with the code and keeps standard output for the answer', async () => {
    expect(await capsule(['--version'])).toEqual({ code: 0, stdout: 'capsule 0.1.0\n', stderr: '' });
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
