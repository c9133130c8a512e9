import { existsSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Api, createApi } from '../../../../src/api/api.ts';
import { nodeIdOf } from '../../../../src/capsule/identity.ts';
import { IDENTITY, memoryNode, TOKEN } from '../../../support/api-components.ts';
import { inProcess } from '../../../support/cli.ts';
import { alice, bob } from '../../../support/keys.ts';
import { recipientKeyOf } from '../../../support/sealing.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';
import { bench, flipped, sealed } from './sample.ts';

const ANSWER = `Go on Friday. ${'Pack the towel and the map. '.repeat(30)}`;

describe('archive commands that call a node', () => {
  const { at, write, run: runWithout, json } = bench();
  let node: ReturnType<typeof memoryNode>;
  let api: Api;

  const run = (...args: string[]) =>
    inProcess(args, {
      env: { CAPSULE_API_URL: api.url, CAPSULE_API_TOKEN: TOKEN, CAPSULE_DATA: at('data') },
    });

  /** Every capsule ends as soon as it is there; what was asked is kept. */
  const asked: { requestedCapability: string; payload: object }[] = [];
  function answering(result: unknown): void {
    const { submit } = node.components.capsules;
    node.components.capsules.submit = async (...args) => {
      const submitted = await submit(...args);
      const view = await node.components.capsules.view(submitted.id);
      if (view !== undefined) asked.push(view.capsule);
      node.end(submitted.id, result);
      return submitted;
    };
  }
  async function workflow(): Promise<string> {
    const { id } = await node.components.capsules.submit(node.components.signDraft(node.draft()));
    node.end(id, { text: 'the result' });
    return id;
  }

  beforeEach(async () => {
    asked.length = 0;
    node = memoryNode(new VirtualClock(Date.now()));
    api = createApi(node.components, node.init);
    await api.start();
  });

  afterEach(() => api.stop());

  describe('capsule seal --workflow', () => {
    it('writes what the node sealed, once it verified', async () => {
      const ran = await run('seal', '--workflow', await workflow(), '-o', at('w.capsule'), '--json');
      expect(ran).toMatchObject({ code: 0, stderr: '' });
      expect(JSON.parse(ran.stdout)).toMatchObject({
        file: at('w.capsule'),
        file_size_bytes: readFileSync(at('w.capsule')).length,
        signers: [{ role: 'originator', public_key: IDENTITY }],
      });
      expect(await runWithout('verify', at('w.capsule'), '--strict')).toMatchObject({ code: 0 });
      write('w2.capsule', flipped(readFileSync(at('w.capsule')), 'the result'));
      const tampered = await runWithout('verify', at('w2.capsule'));
      expect(tampered.code).toBe(1);
      expect(tampered.stdout).toContain('[✗] content_index');
    });

    it('has the node encrypt to every recipient', async () => {
      const recipients = ['--recipient', recipientKeyOf(alice), '--recipient', recipientKeyOf(bob)];
      const ran = await run('seal', '--workflow', await workflow(), '-o', at('w.capsule'), ...recipients);
      expect(ran).toMatchObject({ code: 0, stderr: '' });
      for (const key of ['alice.hex', 'bob.hex'])
        expect(await json('verify', at('w.capsule'), '--key', at(key))).toMatchObject({
          ok: true,
          level: 'L3',
        });
    });

    it('writes nothing that does not verify', async () => {
      const id = await workflow();
      const { sealWorkflow } = node.components.archives;
      node.components.archives.sealWorkflow = async (...args) => {
        const made = await sealWorkflow(...args);
        return { ...made, bytes: flipped(made.bytes, 'the result') };
      };
      const ran = await run('seal', '--workflow', id, '-o', at('w.capsule'));
      expect(ran).toMatchObject({ code: 1, stdout: '' });
      expect(ran.stderr).toMatch(/^capsule: .*content_index.* \(unverified_archive\)\n$/);
      expect(existsSync(at('w.capsule'))).toBe(false);
    });

    it.each([
      ['a workflow that nobody knows', '0'.repeat(64), 1, 'not_found'],
      ['no id', 'xyz', 2, 'usage'],
      ['the beginning of none', 'abc', 1, 'not_found'],
    ])('refuses %s', async (_, id, code, word) => {
      const ran = await run('seal', '--workflow', id, '-o', at('w.capsule'));
      expect(ran).toMatchObject({ code, stdout: '' });
      expect(ran.stderr).toContain(`(${word})\n`);
      expect(existsSync(at('w.capsule'))).toBe(false);
    });

    it('ends with 3 where no node runs', async () => {
      const ran = await runWithout('seal', '--workflow', '0'.repeat(64), '-o', at('w.capsule'));
      expect(ran).toMatchObject({ code: 3, stdout: '' });
    });
  });

  describe('capsule hydrate', () => {
    const hydrate = (...args: string[]) =>
      run('hydrate', at('a.capsule'), '--signer', `originator:${at('alice.hex')}`, ...args);

    it('asks with what was verified, and appends the answer as words of a model', async () => {
      answering({ text: ANSWER, model: 'gemma3:4b' });
      write('a.capsule', await sealed());
      const ran = await hydrate('-o', at('b.capsule'), '--task', 'What now?');
      expect(ran.code).toBe(0);
      expect(ran.stderr).toContain('Go on Friday.');
      expect(asked).toMatchObject([
        {
          requestedCapability: 'ai.chat',
          payload: {
            messages: [{ role: 'system' }, { role: 'user', content: expect.stringContaining('What now?') }],
          },
        },
      ]);
      expect(JSON.stringify(asked)).toContain('Two days by the sea.');
      expect(await runWithout('verify', at('b.capsule'), '--strict')).toMatchObject({ code: 0 });
      const events = JSON.parse((await run('chain', at('b.capsule'), '--json')).stdout) as object[];
      expect(events.at(-1)).toMatchObject({
        actor: 'ai:gemma3:4b',
        kind: 'observation',
        payload: {
          statement: expect.stringMatching(/^Go on Friday\..{1,280}$/),
          answer: ANSWER,
          capability: 'ai.chat',
        },
        untrusted_payload_fields: ['payload.statement', 'payload.answer'],
      });
      expect(await json('manifest', at('b.capsule'))).toMatchObject({
        participants: expect.arrayContaining([{ actor_id: 'ai:gemma3:4b', role: 'contributor' }]),
      });
    });

    it('gives other capabilities one text, and keeps what is encrypted encrypted', async () => {
      answering({ summary: 'Short.' });
      write('a.capsule', await sealed({}, { recipients: [recipientKeyOf(bob)] }));
      const options = ['--capability', 'text.summarize', '--key', at('bob.hex'), '--json'];
      const unnamed = await hydrate('-o', at('b.capsule'), ...options);
      expect(unnamed).toMatchObject({ code: 2, stdout: '' });
      expect(unnamed.stderr).toContain('Name one: --on NODE');
      expect(asked).toEqual([]);
      const ran = await hydrate('-o', at('b.capsule'), ...options, '--on', nodeIdOf(bob.identity));
      expect(ran.code).toBe(0);
      expect(JSON.parse(ran.stdout)).toMatchObject({ cipher: 'ChaCha20-Poly1305' });
      expect(asked).toMatchObject([{ payload: { text: expect.stringContaining('Two days by the sea.') } }]);
      expect(await json('verify', at('b.capsule'), '--key', at('bob.hex'))).toMatchObject({ ok: true });
    });

    it('prints what a model would see, and needs no node for that', async () => {
      write('a.capsule', await sealed());
      const ran = await runWithout('hydrate', at('a.capsule'), '--print');
      expect(ran.code).toBe(0);
      expect(ran.stdout).toMatch(/^\[system\]\n/);
      expect(ran.stdout).toContain('Two days by the sea.');
      const trusting = ['--allowlist', alice.identity];
      const sections = async (...args: string[]) =>
        (await json('hydrate', at('a.capsule'), '--print', ...args)).sections;
      expect(JSON.stringify(await sections())).not.toContain('"instructions"');
      expect(JSON.stringify(await sections(...trusting))).toContain('"instructions"');
    });

    it('shows nothing of what does not verify, and asks nobody', async () => {
      answering({ text: 'hm' });
      write('a.capsule', flipped(await sealed(), 'towel'));
      const ran = await hydrate('-o', at('b.capsule'));
      expect(ran).toMatchObject({ code: 1, stdout: '' });
      expect(ran.stderr).toContain('(unverified_archive)\n');
      expect(asked).toEqual([]);
      expect(existsSync(at('b.capsule'))).toBe(false);
    });

    it('writes nothing when the capsule fails', async () => {
      const { submit, view } = node.components.capsules;
      node.components.capsules.submit = async (...args) => {
        const submitted = await submit(...args);
        node.end(submitted.id, null);
        return submitted;
      };
      node.components.capsules.view = async (id) => {
        const found = await view(id);
        const error = { code: 'model_unavailable' as const, message: 'No model answers.' };
        return found && { ...found, status: 'failed' as const, error };
      };
      write('a.capsule', await sealed());
      const ran = await hydrate('-o', at('b.capsule'));
      expect(ran).toMatchObject({ code: 1, stdout: '' });
      expect(ran.stderr).toContain('capsule: No model answers. (model_unavailable)\n');
      expect(existsSync(at('b.capsule'))).toBe(false);
    });

    it('wants to know where to write, and never over another file', async () => {
      write('a.capsule', await sealed());
      expect((await hydrate()).stderr).toMatch(/^capsule: Say where to write .* \(usage\)\n$/);
      write('b.capsule', 'mine');
      expect(await hydrate('-o', at('b.capsule'))).toMatchObject({ code: 2, stdout: '' });
    });

    it('asks nobody for an answer that could not be sealed or written', async () => {
      answering({ text: 'lost' });
      write('a.capsule', await sealed());
      const nobody = ['--signer', `originator:${at('nobody.hex')}`];
      expect(await hydrate('-o', at('c.capsule'), ...nobody)).toMatchObject({ code: 2, stdout: '' });
      expect(await hydrate('-o', at('missing/c.capsule'))).toMatchObject({ code: 2, stdout: '' });
      expect(asked).toEqual([]);
    });
  });
});
