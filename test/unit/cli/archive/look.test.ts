import { describe, expect, it } from 'vitest';
import { runCli } from '../../../../src/cli/program.ts';
import { memoryIo } from '../../../support/cli.ts';
import { alice, bob } from '../../../support/keys.ts';
import { rawZip } from '../../../support/raw-zip.ts';
import { recipientKeyOf } from '../../../support/sealing.ts';
import { bench, DRAFT, repacked, sealed } from './sample.ts';

const HEX = expect.stringMatching(/^[0-9a-f]{64}$/) as string;
/** Clears the screen, sets the title, reverses the text. */
const HOSTILE = '\u001b[2J\u001b]0;x\u0007\u009b1m\u202e';

describe('looking into an archive', () => {
  const { at, write, run, json } = bench();
  const archive = async () => write('a.capsule', await sealed());
  const encrypted = async () => write('e.capsule', await sealed({}, { recipients: [recipientKeyOf(bob)] }));

  it('inspect shows one screen, and says that it is not verified', async () => {
    const ran = await run('inspect', await archive());
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(/^Format: +0\.6 \/ JCS-RFC8785 \/ SHA-256$/m);
    expect(ran.stdout).toMatch(/^Originator: +Alice$/m);
    expect(ran.stdout).toMatch(/\nAction histogram:\n {2}reviewed {2}2\n {2}created {3}1\n/);
    expect(ran.stdout).toMatch(/\nPayload \(2 files, 23 bytes\):\n {2}payload\/list\.txt +6 bytes\n/);
    expect(ran.stdout).toContain('Not verified');
  });

  it('inspect gives the names that scripts know', async () => {
    expect(await json('inspect', await archive())).toEqual({
      file: at('a.capsule'),
      file_size_bytes: (await sealed()).length,
      capsule_id: HEX,
      first_event_hash: HEX,
      originator: { public_key: alice.identity, label: 'Alice' },
      participants: DRAFT.participants,
      format: {
        version: '0.6',
        container: 'zip',
        canonicalization: 'JCS-RFC8785',
        hash_algorithm: 'SHA-256',
      },
      encryption: null,
      signed_at: '2026-05-07T12:00:00Z',
      cipher: 'none',
      signers: [{ role: 'originator', public_key: alice.identity }],
      content_index_files: 7,
      chain_length: 3,
      action_histogram: { created: 1, reviewed: 2 },
      payload_files: [
        { path: 'payload/list.txt', size: 6 },
        { path: 'payload/maps/coast.txt', size: 17 },
      ],
      payload_total_bytes: 23,
    });
  });

  it('inspect shows the outside of encrypted content, and with a key the inside', async () => {
    expect(await json('inspect', await encrypted())).toMatchObject({ chain_length: 0, payload_files: [] });
    expect((await run('inspect', at('e.capsule'))).stdout).toContain('encrypted; --key FILE opens it');
    expect(await json('inspect', at('e.capsule'), '--key', at('bob.hex'))).toMatchObject({
      chain_length: 3,
      payload_total_bytes: 23,
      cipher: 'ChaCha20-Poly1305',
    });
  });

  it('chain lists events, cuts, and says how many more there are', async () => {
    const ran = await run('chain', await archive(), '--limit', '1');
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(/^# +date +actor +kind\/action +payload-summary +untrusted\n/);
    expect(ran.stdout).toMatch(
      /^1 +2026-05-07 +human:alice +decision\/created +A trip is planned\. +payload\.summary$/m,
    );
    expect(ran.stdout).toContain('… 2 more event(s); to see all: --limit 3\n');
    expect((await run('chain', at('a.capsule'))).stdout).not.toContain('more event');
    const events: unknown = JSON.parse((await run('chain', at('a.capsule'), '--json')).stdout);
    expect(events).toMatchObject([
      { seq: 1, hash: HEX },
      { seq: 2, hash: HEX },
      { seq: 3, hash: HEX },
    ]);
    expect(JSON.parse((await run('chain', at('a.capsule'), '--limit', '0', '--json')).stdout)).toEqual([]);
    const none = (await run('chain', at('a.capsule'), '--limit', '0')).stdout;
    expect(none).toMatch(/^# +date .*kind\/action.*\n… 3 more event\(s\)/);
  });

  it.each(['inspect', 'chain', 'manifest'])(
    '%s --json cannot drive or mislead a terminal, and loses nothing',
    async (command) => {
      const label = 'Alice\u009b2J\u202eecila\u2028';
      const participants = [{ actor_id: 'human:alice', role: 'originator', label }];
      const event = {
        actor: 'human:alice',
        kind: 'decision',
        action: 'a',
        target: 't',
        payload: { label },
      } as const;
      write('a.capsule', await sealed({ participants, events: [event] }));
      const { stdout } = await run(command, at('a.capsule'), '--json');
      expect(stdout).toContain('Alice\\u009b2J\\u202eecila\\u2028');
      expect(stdout).not.toMatch(/[\u007f-\u009f\u2028-\u202e]/);
      expect(JSON.stringify(JSON.parse(stdout))).toContain(label);
    },
  );

  it('manifest and envelope print the documents, indented, and with a key the inner ones', async () => {
    const manifest = await run('manifest', await archive());
    expect(manifest.stdout).toMatch(/^\{\n {2}"/);
    expect(JSON.parse(manifest.stdout)).toMatchObject({ format: { version: '0.6' }, encryption: null });
    const envelope = JSON.parse((await run('envelope', at('a.capsule'))).stdout) as object;
    expect(envelope).toMatchObject({ version: '0.6', signers: [{ role: 'originator' }] });
    const outer: unknown = JSON.parse((await run('envelope', await encrypted())).stdout);
    const inner: unknown = JSON.parse(
      (await run('envelope', at('e.capsule'), '--key', at('bob.hex'))).stdout,
    );
    expect(outer).toMatchObject({ cipher: 'ChaCha20-Poly1305' });
    expect(inner).toMatchObject({ cipher: 'none' });
  });

  it('program and agents are byte for byte what is in the archive', async () => {
    const program = '\ufeff# Añejo\r\n\u001b[31mred\u001b[0m no line end';
    write('a.capsule', await sealed({ program }));
    expect(await run('program', at('a.capsule'))).toEqual({ code: 0, stdout: program, stderr: '' });
    expect((await run('agents', at('a.capsule'))).stdout).toBe(DRAFT.agents);
    expect(await json('program', at('a.capsule'))).toEqual({ path: 'program.md', text: program });
  });

  it('says where there is no agents.md', async () => {
    const { agents: _, ...draft } = DRAFT;
    const bytes = await repacked(await sealed(draft), (entries) =>
      entries.filter(({ name }) => name !== 'agents.md'),
    );
    expect(await run('agents', write('a.capsule', bytes))).toEqual({
      code: 0,
      stdout: '',
      stderr: '(no agents.md in this capsule)\n',
    });
    expect(await json('agents', at('a.capsule'))).toEqual({ path: 'agents.md', text: null });
  });

  it.each([['program'], ['chain'], ['inspect'], ['manifest']])(
    '%s lets nothing of an archive drive a terminal',
    async (command) => {
      const hostile = {
        program: `# ${HOSTILE}\n`,
        participants: [{ actor_id: `human:${HOSTILE}`, role: HOSTILE, label: HOSTILE }],
        events: [
          {
            actor: `human:${HOSTILE}`,
            kind: 'decision' as const,
            action: HOSTILE,
            target: 'x',
            payload: { summary: HOSTILE },
          },
        ],
        originatorLabel: HOSTILE,
      };
      write('a.capsule', await sealed(hostile));
      const io = memoryIo({ tty: true });
      expect(await runCli([command, at('a.capsule')], io)).toBe(0);
      expect(io.printed.stdout).not.toMatch(/(?![\n\t])\p{Cc}/u);
      expect(io.printed.stdout.length).toBeGreaterThan(0);
    },
  );

  it.each([['program'], ['agents'], ['chain']])(
    '%s asks for a key where content is encrypted',
    async (command) => {
      const ran = await run(command, await encrypted());
      expect(ran).toMatchObject({ code: 2, stdout: '' });
      expect(ran.stderr).toMatch(
        /^capsule: The archive is encrypted: .*\. \(usage\)\nGive the key: --key FILE\n$/,
      );
      expect(await run(command, at('e.capsule'), '--key', at('bob.hex'))).toMatchObject({
        code: 0,
        stderr: '',
      });
      expect(await run(command, at('e.capsule'), '--key', at('carol.hex'))).toMatchObject({
        code: 4,
        stdout: '',
      });
    },
  );

  it.each([['inspect'], ['chain'], ['manifest'], ['envelope'], ['program'], ['agents']])(
    '%s refuses what is no archive',
    async (command) => {
      for (const content of ['hello', rawZip([{ name: 'a.txt', content: 'a' }])]) {
        const ran = await run(command, write('bad', content));
        expect(ran).toMatchObject({ code: 2, stdout: '' });
        expect(ran.stderr).toMatch(/^capsule: [^\n]+\. \(invalid_archive\)\n$/);
      }
      expect(await run(command, at('missing'))).toMatchObject({ code: 2, stdout: '' });
    },
  );
});
