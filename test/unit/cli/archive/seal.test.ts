import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { alice, bob } from '../../../support/keys.ts';
import { recipientKeyOf } from '../../../support/sealing.ts';
import { bench, sealed } from './sample.ts';

const EVENT = { kind: 'decision', action: 'planned', target: 'program.md', payload: { summary: 'We go.' } };

describe('capsule seal', () => {
  const { at, write, run, json } = bench();
  const BY_ALICE = () => ['--signer', `originator:${at('alice.hex')}`, '--at', '2026-01-31T12:00:00Z'];
  const seal = (...args: string[]) =>
    run('seal', at('trip'), '-o', at('trip.capsule'), ...BY_ALICE(), ...args);
  const folder = () => {
    write('trip/notes.txt', 'towel\n');
    write('trip/payload/map.txt', 'coast\n');
    write('trip/sub/deep.txt', 'deep\n');
  };
  const paths = async (): Promise<string[]> => {
    const { content_index: index } = (await json('manifest', at('trip.capsule'))) as {
      content_index: { files: { path: string }[] };
    };
    return index.files.map(({ path }) => path);
  };

  it('puts what it knows in its place and everything else below payload/', async () => {
    folder();
    write('trip/program.md', '# Ours\n');
    write('trip/agents.md', '# Agents\n');
    write('trip/skills/pack/skill.json', '{"id":"pack"}');
    write('trip/skills/pack/SKILL.md', '# Pack\n');
    write('trip/skills/fold/SKILL.md', '# Fold\n');
    write('trip/skills/fold/picture.png', 'x');
    write(
      'trip/events.jsonl',
      `${JSON.stringify({ ...EVENT, actor: 'ai:gemma' })}\n\n${JSON.stringify(EVENT)}\n`,
    );
    write('trip/.git/config', 'secret');
    const ran = await seal('--signed-skill', 'pack', '--actor', 'human:alice', '--author', 'Alice');
    expect(ran.code).toBe(0);
    expect(ran.stderr).toBe('Left out 1 hidden entry.\nai:gemma joins the participants as contributor.\n');
    expect(await paths()).toEqual([
      'agents.md',
      'chain/events.jsonl',
      'payload/map.txt',
      'payload/notes.txt',
      'payload/skills/fold/picture.png',
      'payload/sub/deep.txt',
      'program.md',
      'skills/fold/SKILL.md',
      'skills/fold/skill.json',
      'skills/pack/SKILL.md',
      'skills/pack/skill.json',
    ]);
    expect(await json('manifest', at('trip.capsule'))).toMatchObject({
      originator: { public_key: alice.identity, label: 'Alice' },
      skill_trust: { pack: 'signed', fold: 'unsigned' },
      participants: [
        { actor_id: 'human:alice', role: 'originator', label: 'Alice' },
        { actor_id: 'ai:gemma', role: 'contributor' },
      ],
    });
    expect(await run('verify', at('trip.capsule'), '--strict')).toMatchObject({ code: 0 });
    expect(JSON.parse((await run('chain', at('trip.capsule'), '--json')).stdout)).toMatchObject([
      { actor: 'ai:gemma', payload: { summary: 'We go.' }, untrusted_payload_fields: ['payload.summary'] },
      { actor: 'human:alice', timestamp: '2026-01-31T12:00:00Z' },
    ]);
  });

  it('writes a program.md where there is none, and tells what it wrote', async () => {
    folder();
    const ran = await seal('--title', 'A trip', '--json');
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(ran.stdout)).toEqual({
      file: at('trip.capsule'),
      file_size_bytes: readFileSync(at('trip.capsule')).length,
      capsule_id: expect.stringMatching(/^[0-9a-f]{64}$/),
      first_event_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      entry_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      signed_at: '2026-01-31T12:00:00Z',
      cipher: 'none',
      signers: [{ role: 'originator', public_key: alice.identity }],
    });
    expect((await run('program', at('trip.capsule'))).stdout).toBe(
      '# A trip\n\nFiles:\n\n- payload/map.txt (6 bytes)\n- payload/notes.txt (6 bytes)\n- payload/sub/deep.txt (5 bytes)\n',
    );
  });

  it('gives the same bytes for the same folder, key and time, and only replaces with --force', async () => {
    folder();
    expect(await seal()).toMatchObject({ code: 0 });
    const first = readFileSync(at('trip.capsule'));
    const refused = await seal();
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toMatch(
      /^capsule: .*trip\.capsule exists already\. \(usage\)\nReplace it with --force/,
    );
    write('trip.capsule', 'old');
    expect(await seal('--force')).toMatchObject({ code: 0 });
    expect(readFileSync(at('trip.capsule')).equals(first)).toBe(true);
    expect(readdirSync(at('.')).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('leaves the archive itself out where it is written into the folder', async () => {
    folder();
    const into = (...more: string[]) =>
      run('seal', at('trip'), '-o', at('trip/out.capsule'), ...BY_ALICE(), ...more);
    expect(await into()).toMatchObject({ code: 0 });
    const first = readFileSync(at('trip/out.capsule'));
    expect(await into('--force')).toMatchObject({ code: 0 });
    expect(readFileSync(at('trip/out.capsule')).equals(first)).toBe(true);
  });

  it('signs as the data directory’s identity where nobody else is named', async () => {
    folder();
    const ran = await run('seal', at('trip'), '-o', at('trip.capsule'));
    expect(ran.code).toBe(0);
    expect(ran.stderr).toMatch(/^Made a new identity in /);
    const { identity } = await json('identity', 'show');
    expect(await json('envelope', at('trip.capsule'))).toMatchObject({ signers: [{ public_key: identity }] });
  });

  it('encrypts to each recipient, named as a key or as a file with it', async () => {
    folder();
    write('bob.recipient.hex', `${recipientKeyOf(bob)}\n`);
    const ran = await seal('--recipient', recipientKeyOf(alice), '--recipient', at('bob.recipient.hex'));
    expect(ran.code).toBe(0);
    for (const name of ['alice.hex', 'bob.hex'])
      expect(await json('verify', at('trip.capsule'), '--key', at(name))).toMatchObject({
        ok: true,
        level: 'L3',
      });
    expect(readFileSync(at('trip.capsule')).includes('towel')).toBe(false);
  });

  it('takes signers in their roles, and events from the command line', async () => {
    folder();
    write('event.json', JSON.stringify([EVENT, EVENT]));
    const ran = await seal(
      '--signer',
      `reviewer:${at('bob.hex')}`,
      '--event',
      `@${at('event.json')}`,
      '--event',
      JSON.stringify(EVENT),
    );
    expect(ran.code).toBe(0);
    expect(await json('verify', at('trip.capsule'), '--allowlist', bob.identity)).toMatchObject({
      ok: true,
      envelope: {
        signers: [
          { role: 'originator', valid: true, trusted: false },
          { role: 'reviewer', valid: true, trusted: true },
        ],
      },
    });
    expect(await json('inspect', at('trip.capsule'))).toMatchObject({ chain_length: 3 });
  });

  it('refuses an extracted archive and names the next step', async () => {
    write('a.capsule', await sealed());
    await run('extract', at('a.capsule'), at('trip'));
    const ran = await seal();
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(
      /is an extracted archive; .* \(usage\)\nContinue the archive itself: capsule append/,
    );
  });

  it('refuses links, and what cannot be sealed', async () => {
    folder();
    write('outside.txt', 'secret');
    symlinkSync(at('outside.txt'), at('trip/link.txt'));
    const ran = await seal();
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(/^capsule: .*link\.txt is a symbolic link; .* \(usage\)\n/);
    expect(existsSync(at('trip.capsule'))).toBe(false);
  });

  describe('refuses by its content', () => {
    const sealing = async (...args: string[]) => {
      folder();
      return seal(...args);
    };
    const refused = async (name: string, what: string) => {
      const ran = await sealing();
      expect(ran).toMatchObject({ code: 2, stdout: '' });
      expect(ran.stderr).toBe(
        `capsule: ${at(`trip/${name}`)} holds ${what}; whoever gets the archive would have it. (usage)\n` +
          `Move it away, or leave it out: --exclude "${name}"\n`,
      );
      expect(existsSync(at('trip.capsule'))).toBe(false);
    };
    const key = 'a private key or a token (64 hex characters)';

    it.each([
      ['as its file', 'identity.json', []],
      ['exported', 'backup/notes.txt', []],
      ['with a passphrase', 'backup/notes.txt', ['--passphrase-file', 'passphrase']],
    ])('the identity of a node, %s', async (_, name, args) => {
      write('passphrase', 'correct horse battery staple');
      await run('identity', 'new');
      const exporting = args.map((each) => (each.startsWith('-') ? each : at(each)));
      const { stdout } = await run('identity', 'export', ...exporting);
      expect(stdout).toContain('"seed"');
      write(`trip/${name}`, stdout);
      await refused(name, 'the identity of a node');
    });

    it('what keygen writes and prints, under any name', async () => {
      await run('keygen', '--out', at('keys'), '--label', 'ann');
      write('trip/k', readFileSync(at('keys/ann.private.hex')));
      await refused('k', key);
      write('trip/k', (await run('keygen', '--json')).stdout);
      await refused('k', 'a private key');
      const { stdout } = await run('keygen');
      write('trip/k', stdout);
      await refused('k', 'a private key');
      write('trip/k', Buffer.from(`\ufeff${stdout}`, 'utf16le'));
      await refused('k', 'a private key');
    });

    it.each([
      ['api-token', `${'0f'.repeat(32)}\n`, key],
      [
        'tls.pem',
        '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nMC4C\n',
        'a private key',
      ],
      ['run.sh', `TOKEN=capsule_${'aB3-_'.repeat(8)}xyz capsule list\n`, 'a token of a node'],
      ['id', '-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n', 'a private key'],
      ['program.md', '0f'.repeat(32), key],
    ])('%s', async (name, content, what) => {
      write(`trip/${name}`, content);
      await refused(name, what);
    });

    it('nothing that only speaks of keys', async () => {
      write('trip/bob.public.hex', `${bob.identity}\n`);
      write('trip/bob.recipient.hex', `${recipientKeyOf(bob)}\n`);
      write('trip/trusted.txt', `${bob.identity} # Bob\n${alice.identity} # Alice\n`);
      write('trip/sums.txt', `${'0f'.repeat(32)}  notes.txt\n`);
      write('trip/about.md', '# Keys\n\n-----BEGIN PRIVATE KEY-----\nis how they begin.\n');
      write('trip/run.json', '{"identity": "x", "seed": 42}');
      expect(await sealing()).toMatchObject({ code: 0 });
    });

    it('nothing that is excluded', async () => {
      write('trip/keys/a.hex', 'ab'.repeat(32));
      write('trip/keys/b.private.hex', 'x');
      write('trip/c.private.hex', 'x');
      const ran = await sealing(
        '--exclude',
        'keys/',
        '--exclude',
        './c.private.hex',
        '--exclude',
        'sub/deep.txt',
      );
      expect(ran).toMatchObject({ code: 0, stderr: '' });
      expect((await paths()).filter((path) => path.startsWith('payload'))).toEqual([
        'payload/map.txt',
        'payload/notes.txt',
      ]);
    });

    it('an exclusion of what is not there', async () => {
      const ran = await sealing('--exclude', 'note.txt');
      expect(ran).toMatchObject({ code: 2, stdout: '' });
      expect(ran.stderr).toContain('There is no "note.txt" in');
    });
  });

  it.each([
    ['a private key', 'keys/alice.private.hex', 'ab', 'holds a private key'],
    [
      'a name in two cases',
      'Notes.txt',
      'x',
      '"payload/Notes.txt" and "payload/notes.txt" differ only in case',
    ],
    [
      'a device of Windows',
      'sub/aux.txt',
      'x',
      '"payload/sub/aux.txt" has "aux.txt" in it, which is a device',
    ],
    ['two files for one place', 'payload/notes.txt', 'x', 'would both become payload/notes.txt'],
    ['events twice', 'events.json', '[]', 'events.json or events.jsonl'],
    ['an event that is no JSON', 'events.jsonl', '{}\n{', 'events.jsonl'],
    ['an event without a kind', 'events.jsonl', '{"action":"a"}', 'Line 1 of'],
    ['an event of an unknown kind', 'events.jsonl', '{"kind":"joke","action":"a","target":"t"}', 'kind'],
    [
      'an event with a misspelt member',
      'events.jsonl',
      '{"kind":"decision","action":"a","target":"t","paylod":{}}',
      'paylod',
    ],
    [
      'an actor who is none',
      'events.jsonl',
      '{"actor":"bob","kind":"decision","action":"a","target":"t"}',
      'bob',
    ],
    ['a skill that is a program', 'skills/run/skill.json', '{"command":"rm"}', 'command'],
    ['a skill that is no object', 'skills/run/skill.json', '[]', 'is not a JSON object'],
    ['a program that is no text', 'program.md', Uint8Array.of(0xff, 0xfe), 'not text in UTF-8'],
  ])('refuses a folder with %s', async (_, name, content, message) => {
    folder();
    if (name === 'events.json') write('trip/events.jsonl', '');
    write(`trip/${name}`, content);
    const ran = await seal();
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(/^capsule: .* \((usage|invalid_json|invalid_request)\)\n/m);
    expect(ran.stderr).toContain(message);
    expect(readdirSync(at('.')).filter((each) => each.includes('.capsule'))).toEqual([]);
  });

  it.each([
    ['neither a folder nor a workflow', ['seal', '-o', 'x'], 'either a folder or --workflow'],
    ['both', ['seal', 'trip', '--workflow', '0'.repeat(64), '-o', 'x'], 'either a folder or --workflow'],
    ['no output', ['seal', 'trip'], "'-o, --out <file>' not specified"],
    ['a folder that is not there', ['seal', 'missing', '-o', 'x'], 'ENOENT'],
    [
      'an output below a folder that is not there',
      ['seal', 'trip', '-o', 'missing/x'],
      'cannot be written (ENOENT)',
    ],
    [
      'a recipient key that is short',
      ['seal', 'trip', '-o', 'x', '--recipient', 'short.hex'],
      '62 hex characters',
    ],
    [
      'a recipient that is neither key nor file',
      ['seal', 'trip', '-o', 'x', '--recipient', 'nobody'],
      'ENOENT',
    ],
    ['a signer without a role', ['seal', 'trip', '-o', 'x', '--signer', 'alice.hex'], 'who signs with what'],
    [
      'a signer key that is short',
      ['seal', 'trip', '-o', 'x', '--signer', 'originator:short.hex'],
      '62 hex characters',
    ],
    [
      'nobody as originator',
      ['seal', 'trip', '-o', 'x', '--signer', 'reviewer:bob.hex'],
      'Nobody signs as originator',
    ],
    ['an actor who is none', ['seal', 'trip', '-o', 'x', '--actor', 'alice'], 'not an actor'],
    ['a time that is none', ['seal', 'trip', '-o', 'x', '--at', '2026-02-30T12:00:00Z'], 'not a time'],
    [
      'a skill to sign that is not there',
      ['seal', 'trip', '-o', 'x', '--signed-skill', 'fly'],
      'no skill "fly"',
    ],
    [
      'a title for a workflow',
      ['seal', '--workflow', '0'.repeat(64), '-o', 'x', '--title', 't'],
      '--title is for folders',
    ],
  ])('refuses %s', async (_, args, message) => {
    folder();
    write('short.hex', `${'ab'.repeat(31)}\n`);
    const located = args.map((each) =>
      each.replace(
        /^((?:originator|reviewer):)?(trip|missing|missing\/x|x|nobody|short\.hex|bob\.hex)$/,
        (_all, role: string | undefined, name: string) => `${role ?? ''}${at(name)}`,
      ),
    );
    const ran = await run(...located);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(/^capsule: .*\. \(usage\)$/m);
    expect(ran.stderr).toContain(message);
    expect(existsSync(at('x'))).toBe(false);
  });

  it('is told of a key that is not for --recipient before anybody is locked out', async () => {
    folder();
    for (const kind of ['public', 'private']) {
      write(`bob.${kind}.hex`, `${bob.identity}\n`);
      const ran = await run(
        'seal',
        at('trip'),
        '-o',
        at('x'),
        ...BY_ALICE(),
        '--recipient',
        at(`bob.${kind}.hex`),
      );
      expect(ran).toMatchObject({ code: 2, stdout: '' });
      expect(ran.stderr).toMatch(/is not what is encrypted to\. \(usage\)\n.*bob\.recipient\.hex\n$/);
      expect(existsSync(at('x'))).toBe(false);
    }
  });

  it('says where it cannot write, and leaves nothing beside', async () => {
    folder();
    mkdirSync(at('place'));
    const ran = await run('seal', at('trip'), '-o', at('place'), '--force', ...BY_ALICE());
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(/place is not a file, and only a file is replaced\. \(usage\)\n$/);
    expect(readdirSync(at('.')).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});
