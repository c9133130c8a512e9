import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cli } from '../../../src/cli/cli.ts';
import { createProgram } from '../../../src/cli/program.ts';
import { inProcess, memoryIo } from '../../support/cli.ts';
import { version } from '../../support/package.ts';

const leaves = (command: Command): Command[] =>
  command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);

const pathOf = (command: Command): string[] =>
  command.parent === null ? [] : [...pathOf(command.parent), command.name()];

const ownCommands = leaves(createProgram(new Cli(memoryIo())))
  .map(pathOf)
  .filter(([first]) => first !== 'completion' && first !== 'complete');

describe('arguments of the command line', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'capsule-arguments-'));
    writeFileSync(join(folder, 'array.json'), '[1]');
    writeFileSync(join(folder, 'broken.json'), '{"a":');
    writeFileSync(join(folder, 'binary'), Buffer.from([0xff, 0xfe, 0x00]));
    writeFileSync(join(folder, 'large'), 'a'.repeat(1_048_577));
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  it.each(ownCommands.map((path) => [path.join(' '), path]))(
    '%s has help with an example',
    async (_, path) => {
      const ran = await inProcess([...path, '--help']);
      expect(ran).toMatchObject({ code: 0, stderr: '' });
      expect(ran.stdout).toContain(`Usage: capsule ${path.join(' ')}`);
      expect(ran.stdout).toMatch(new RegExp(`Examples?:\\n  \\$ capsule ${path[0] ?? ''}`));
      expect(ran.stdout).toContain('--json');
    },
  );

  it('names every command that the node offers', () => {
    expect(ownCommands.map((path) => path.join(' '))).toEqual([
      'start',
      'status',
      'peers',
      'market',
      'capabilities trust',
      'console',
      'run',
      'submit',
      'create',
      'sign',
      'check',
      'list',
      'ps',
      'show',
      'cancel',
      'explain',
      'retry',
      'watch',
      'workflow list',
      'workflow show',
      'credits show',
      'credits history',
      'credits grant',
      'credits verify',
      'credits reconcile',
      'receipts list',
      'receipts show',
      'receipts verify',
      'receipts export',
      'permissions list',
      'permissions grant',
      'permissions revoke',
      'token create',
      'token list',
      'token revoke',
      'identity show',
      'identity new',
      'identity export',
      'identity import',
      'verify',
      'vectors verify',
      'inspect',
      'chain',
      'manifest',
      'envelope',
      'program',
      'agents',
      'extract',
      'keygen',
      'seal',
      'append',
      'decrypt',
      'hydrate',
    ]);
  });

  it('prints help on standard error and ends with 2 when nothing was said', async () => {
    const ran = await inProcess([]);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain('Usage: capsule');
    expect(await inProcess(['workflow'])).toMatchObject({ code: 2, stdout: '' });
  });

  it('prints its version', async () => {
    expect(await inProcess(['--version'])).toEqual({ code: 0, stdout: `capsule ${version}\n`, stderr: '' });
  });

  it('gives help for a command on demand', async () => {
    const ran = await inProcess(['help', 'run']);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toContain('Usage: capsule run');
  });

  it.each([['--help'], ['-h'], ['help']])(
    '%s lists each command with its summary, on standard output',
    async (asked) => {
      const ran = await inProcess([asked]);
      expect(ran).toMatchObject({ code: 0, stderr: '' });
      expect(ran.stdout).toContain('a work order');
      for (const command of createProgram(new Cli(memoryIo())).commands.filter(
        (each) => each.name() !== 'complete',
      ))
        expect(ran.stdout).toMatch(new RegExp(`^  ${command.name()} +\\S`, 'm'));
      expect(ran.stdout).toMatch(/verify\s+verify/);
    },
  );

  const id = '0'.repeat(64);
  it.each([
    ['an unknown command', ['statsu'], "Unknown command 'statsu'. (usage)\nDid you mean status?"],
    [
      'an unknown nested command',
      ['receipts', 'verfy'],
      "Unknown command 'verfy'. (usage)\nDid you mean verify?",
    ],
    ['an unknown option', ['list', '--frm'], "Unknown option '--frm'. (usage)"],
    [
      'a missing argument',
      ['run'],
      "Missing required argument 'capability'. (usage)\nSee: capsule run --help",
    ],
    ['too many arguments', ['status', 'x'], 'Too many arguments'],
    ['a number that is none', ['run', 'a.b', '--retries', 'x'], 'whole number from 0 to 10'],
    ['a number out of range', ['run', 'a.b', '--retries', '11'], 'whole number from 0 to 10'],
    ['an amount with seven decimals', ['run', 'a.b', '--pay', '0.0000001'], 'at most 6 decimals'],
    ['a negative amount', ['credits', 'grant', id, '-1'], '(usage)'],
    ['an unknown ring', ['run', 'a.b', '--locality', 'far'], 'local, ring1, ring2, global'],
    ['an id that is none', ['show', 'xyz'], '64 lowercase hex characters'],
    ['a file for an id', ['show', 'a.capsule'], 'capsule inspect a.capsule'],
    ['an id for a file', ['inspect', id], `capsule show ${id}`],
    ['the end of an id for a file', ['verify', '…0badc0de'], 'capsule show …0badc0de'],
    ['a time that is none', ['run', 'a.b', '--timeout', '5 parsecs'], "'--timeout <time>'"],
    ['a time that is too long', ['run', 'a.b', '--timeout', '25h'], 'from 1ms to 24h'],
    ['more credits than there are', ['run', 'a.b', '--pay', '1000000001'], "'--pay <n>'"],
    ['an address without a port', ['start', '--api', 'localhost'], 'HOST:PORT'],
    ['a label without a value', ['start', '--label', 'room'], 'KEY=VALUE'],
    ['an address that is none', ['status', '--api-url', 'ftp://x'], 'not an address'],
  ])('refuses %s', async (_, args, message) => {
    const ran = await inProcess(args);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(/^capsule: [A-Z"].*[.?!] \(usage\)\n/);
    expect(ran.stderr).toContain(message);
  });

  it.each([
    ['prepayment of nothing', ['--prepay'], 'usage', 2, '--prepay needs --pay'],
    ['text twice', ['hello', '--input', 'array.json'], 'usage', 2, 'not both'],
    ['text beside text', ['hello', '--payload', '{"text":"a"}'], 'usage', 2, 'has a "text" already'],
    ['a payload that is no object', ['--payload', '@array.json'], 'usage', 2, 'must be a JSON object'],
    ['a payload that is no JSON', ['--payload', '{'], 'invalid_json', 2, '--payload: '],
    ['a file that is no JSON', ['--payload', '@broken.json'], 'invalid_json', 2, 'broken.json: '],
    ['a repeated name', ['--payload', '{"a":1,"a":2}'], 'invalid_json', 2, 'twice'],
    ['a file that is not there', ['--input', 'missing'], 'usage', 2, 'missing cannot be read (ENOENT)'],
    ['a folder', ['--input', '.'], 'usage', 2, 'EISDIR'],
    ['a file that is not text', ['--input', 'binary'], 'invalid_request', 2, 'not text in UTF-8'],
    ['a file over the limit', ['--input', 'large'], 'too_large', 2, 'more than 1048576 bytes'],
  ])('create refuses %s', async (_, args, code, exit, message) => {
    const located = args.map((each) =>
      /^@?(array\.json|broken\.json|binary|large|missing|\.)$/.test(each)
        ? each.replace(/^(@?)(.*)$/, (_all, at: string, name: string) => at + join(folder, name))
        : each,
    );
    const ran = await inProcess(['create', 'text.stats', ...located, '--data', join(folder, 'data')]);
    expect(ran).toMatchObject({ code: exit, stdout: '' });
    expect(ran.stderr).toContain(`(${code})\n`);
    expect(ran.stderr).toContain(message);
  });

  it('stops reading standard input at the limit', async () => {
    const ran = await inProcess(['create', 'text.stats', '--input', '-', '--data', join(folder, 'data')], {
      input: 'a'.repeat(1_048_577),
    });
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain('Standard input has more than 1048576 bytes. (too_large)');
  });
});
