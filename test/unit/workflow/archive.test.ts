import { describe, expect, it } from 'vitest';
import { nodeArchiveCrypto } from '../../../src/archive/crypto/node-crypto.ts';
import { verifyArchive } from '../../../src/archive/verify.ts';
import { checkCapsule } from '../../../src/capsule/check-capsule.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { WorkflowArchives } from '../../../src/workflow/archive/archive.ts';
import { workflowDraft } from '../../../src/workflow/archive/draft.ts';
import { gatherWorkflow } from '../../../src/workflow/archive/facts.ts';
import { step } from '../../support/documents.ts';
import { alice, bob, carol } from '../../support/keys.ts';
import { Mesh, type TestNode } from '../../support/mesh.ts';

const paymentRule = { type: 'credit', amount: 1.5 } as const;

/** Alice asks; Bob echoes, Carol waits and fails. */
async function trio() {
  const mesh = new Mesh();
  const a = await mesh.add(alice);
  const b = await mesh.add(bob, { offers: { 'work.echo': 1 } });
  const c = await mesh.add(carol, { offers: { 'work.wait': 1, 'work.fail': 0 } });
  return { mesh, a, b, c };
}

async function draftAt(node: TestNode, id: string) {
  const { capsules } = node.life;
  const facts = await gatherWorkflow({ capsules, explain: (each) => node.exchange.explain(each) }, id);
  return workflowDraft(facts, { sealedAtMs: 1_700_000_999_999, sealingIdentity: node.identity });
}

function file(draft: Awaited<ReturnType<typeof draftAt>>, path: string): Uint8Array {
  const found = draft.payload?.find((each) => each.path === `payload/${path}`)?.content;
  if (!(found instanceof Uint8Array)) throw new Error(`There is no ${path}`);
  return found;
}

const textAt = (draft: Awaited<ReturnType<typeof draftAt>>, path: string): string =>
  new TextDecoder().decode(file(draft, path));

async function chain(a: TestNode, payload = { text: 'what was asked' }) {
  const next = [step('work.wait', { payloadTemplate: { text: '$result.text', ms: 1_000 } })];
  const { id } = await a.submit(a.capsule({ payload, paymentRule, next }));
  await a.workflowEnded(id);
  const child = a.record(id)?.steps[0]?.child ?? '';
  return { id, child };
}

describe('the archive of a finished workflow', () => {
  it('has one event for each capsule and each receipt, in the order of cause and effect', async () => {
    const { a, b, c } = await trio();
    const { id, child } = await chain(a);
    const { events = [] } = await draftAt(a, child);
    expect(events.map(({ actor, kind, action, target }) => [actor, kind, action, target])).toEqual([
      [`human:${a.nodeId}`, 'decision', 'capsule_submitted', `capsule:${id}`],
      [`system:${b.nodeId}`, 'observation', 'capsule_executed', `capsule:${id}`],
      [`system:${a.nodeId}`, 'decision', 'step_delegated', `capsule:${child}`],
      [`system:${c.nodeId}`, 'observation', 'capsule_executed', `capsule:${child}`],
    ]);
    for (const { timestamp } of events) expect(timestamp).toMatch(/^2023-11-14T22:\d\d:\d\dZ$/);
    const times = events.map(({ timestamp }) => timestamp);
    expect(times).toEqual([...times].sort());
    expect(events[3]?.payload).toMatchObject({
      capsule: child,
      receipt: a.result(child)?.receipt?.receiptHash,
      capability: 'work.wait',
      status: 'completed',
      seconds: 1,
      price: 1.5,
      statement: 'what was asked',
    });
    expect(events[3]?.untrusted_payload_fields).toEqual([
      'payload.action',
      'payload.statement',
      'payload.summary',
    ]);
  });

  it('names everybody once', async () => {
    const { a, b, c } = await trio();
    const { id } = await chain(a);
    const { participants, agents } = await draftAt(a, id);
    expect(participants.map(({ actor_id, role }) => [actor_id, role])).toEqual([
      [`human:${a.nodeId}`, 'origin'],
      [`system:${a.nodeId}`, 'originator'],
      [`system:${b.nodeId}`, 'executor'],
      [`system:${c.nodeId}`, 'executor'],
    ]);
    expect(agents).toContain(`\`system:${a.nodeId}\`: a node; it sealed this archive, coordinated steps`);
    expect(agents).toContain(`\`system:${b.nodeId}\`: a node; it executed steps`);
  });

  it('holds what was signed as it was signed, and what the receipts hash', async () => {
    const { a } = await trio();
    const { id, child } = await chain(a);
    const draft = await draftAt(a, id);
    for (const each of [id, child]) {
      const capsule: unknown = JSON.parse(textAt(draft, `capsules/${each}.json`));
      expect(
        checkCapsule(nodeCrypto, capsule, { now: a.life.capsules.row(each)?.receivedAt ?? 0 }),
      ).toMatchObject({
        ok: true,
      });
      const receipt = a.result(each)?.receipt;
      expect(JSON.parse(textAt(draft, `receipts/${each}.json`))).toEqual(receipt);
      expect(nodeCrypto.sha256Hex(file(draft, `inputs/${each}.json`))).toBe(receipt?.inputHash);
      expect(nodeCrypto.sha256Hex(file(draft, `results/${each}.json`))).toBe(receipt?.resultHash);
    }
    expect(textAt(draft, `results/${id}.txt`)).toBe('what was asked');
    expect(JSON.parse(textAt(draft, `history/${id}.json`))).toEqual(a.life.capsules.row(id)?.history);
    for (const each of [id, child])
      expect(JSON.parse(textAt(draft, `decisions/${each}.json`))).toEqual(a.exchange.explain(each));
  });

  it('tells a person what was asked, by whom, what each node did, and the outcome', async () => {
    const { a, b, c } = await trio();
    const { id, child } = await chain(a);
    const { program } = await draftAt(a, id);
    for (const part of [
      `# Workflow ${id}`,
      `By: \`human:${a.nodeId}\`, key \`${a.identity}\``,
      'Offered: 1.5 credits',
      '> what was asked',
      '### 1. `work.echo` completed',
      `Node: \`system:${b.nodeId}\``,
      '### 2. `work.wait` completed',
      `Node: \`system:${c.nodeId}\``,
      'Took: 1 s, from 2023-11-14T22:13:2',
      '**Completed**: 2 of 2 steps completed on 2 nodes, for 3 credits in all.',
      `Told by the node \`system:${a.nodeId}\` from its own record, and sealed at 2023-11-14T22:29:59Z`,
      `| 2 | \`work.wait\` | completed | …${c.nodeId.slice(-8)} | 1 s | 1.5 credits |`,
      `\`capsule verify FILE --allowlist ${a.identity}\``,
      `\`payload/results/${child}.json\``,
    ]) {
      expect(program).toContain(part);
    }
  });

  it('quotes whatever others wrote, so that it stays text', async () => {
    const { a } = await trio();
    const text =
      '# Note\n\n```\n<script>x</script> [a](http://b.c) \u202e\u200b\u{e0041}@all\n> - 1. item\r# second';
    const { id } = await chain(a, { text });
    const { program } = await draftAt(a, id);
    const lines = program.split('\n');
    const from = lines.indexOf('> \\# Note');
    expect(lines.slice(from, from + 6)).toEqual([
      '> \\# Note',
      '>',
      '> \\`\\`\\`',
      '> \\<script\\>x\\</script\\> \\[a\\](http\\://b.c)  \\@all',
      '> \\> - 1. item',
      '> \\# second',
    ]);
    expect(program).not.toMatch(/[\u202e\u200b\u{e0041}]/u);
  });

  it('is the same for the same workflow, time and node', async () => {
    const { a } = await trio();
    const { id, child } = await chain(a);
    expect(await draftAt(a, id)).toEqual(await draftAt(a, child));
  });

  it('tells of failures: who failed, why, and the steps that never came to be', async () => {
    const { a, c } = await trio();
    const next = [step('work.fail'), step('work.wait', { payloadTemplate: { text: '$result.nothing' } })];
    const { id } = await a.submit(a.capsule({ payload: { text: 'x' }, paymentRule, next }));
    await a.workflowEnded(id);
    const draft = await draftAt(a, id);
    const failed = draft.events?.find(({ action }) => action === 'capsule_failed');
    expect(failed).toMatchObject({
      actor: `system:${c.nodeId}`,
      kind: 'observation',
      payload: { status: 'failed', price: 0, error: { code: 'internal' } },
      untrusted_payload_fields: expect.arrayContaining(['payload.error.message']),
    });
    expect(draft.events).toHaveLength(4);
    expect(draft.program).toContain('**Failed**: 1 of 3 steps completed on 1 node,');
    expect(draft.program).toContain(
      '| – | `work.wait` | never began, see the notes | nobody |  | 0 credits |',
    );
    expect(draft.program).toMatch(/A step `work.wait` after `[0-9a-f]{64}` never became a capsule/);
    expect(draft.payload?.some(({ path }) => path.startsWith('payload/results/'))).toBe(true);
  });

  it('has a capsule that nobody executed, without a receipt', async () => {
    const { a } = await trio();
    const { id } = await a.submit(a.capsule({ requestedCapability: 'nobody.has' }));
    await a.ended(id);
    const { events, program } = await draftAt(a, id);
    expect(events).toMatchObject([{ action: 'capsule_submitted', payload: { status: 'failed' } }]);
    expect(program).toContain('Node: none executed it');
    expect(program).toContain('Error: `no_provider`');
    expect(program).toContain('**Failed**: 0 of 1 step completed, for 0 credits in all.');
    expect(program).toContain('Nothing: no step completed.');
  });

  it('says where it is restricted', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.echo': 0 } });
    const { id } = await a.run({ payload: { text: 'private' }, privacyRule: 'restricted' });
    expect((await draftAt(a, id)).program).toContain(
      "1 capsule of it is restricted to the origin's own node",
    );
  });

  it('names the models that wrote something, as what they are: claims of their nodes', async () => {
    const { a } = await trio();
    const { id } = await chain(a);
    const { capsules } = a.life;
    const facts = await gatherWorkflow({ capsules, explain: () => [] }, id);
    const execution = {
      model: 'gemma3:4b *x*\n# y',
      digest: null,
      quantization: null,
      options: {},
      seed: null,
      promptTokens: null,
      completionTokens: null,
      ended: null,
    };
    const steps = facts.steps.map((each) =>
      each.receipt === null ? each : { ...each, receipt: { ...each.receipt, execution } },
    );
    const [root = facts.root] = steps;
    const draft = await workflowDraft(
      { ...facts, root, steps },
      { sealedAtMs: 1_700_000_999_999, sealingIdentity: a.identity },
    );
    expect(draft.participants.at(-1)).toEqual({
      actor_id: 'ai:gemma3:4b_x_y',
      role: 'author',
      label: 'gemma3:4b *x*\n# y',
    });
    expect(draft.participants.filter(({ actor_id }) => actor_id.startsWith('ai:'))).toHaveLength(1);
    expect(draft.events?.[1]).toMatchObject({
      payload: { model: 'gemma3:4b *x*\n# y' },
      untrusted_payload_fields: expect.arrayContaining(['payload.model', 'payload.statement']),
    });
    expect(draft.program).toContain('Model: gemma3:4b \\*x\\* \\# y');
    expect(draft.agents).toContain('`ai:gemma3:4b_x_y`: the model gemma3:4b \\*x\\* \\# y');
  });

  it('bounds its times by what came before and by the sealing, whatever the clocks of the nodes say', async () => {
    const { a } = await trio();
    const { id } = await chain(a);
    const { capsules } = a.life;
    const facts = await gatherWorkflow({ capsules, explain: () => [] }, id);
    const [first, second] = facts.steps;
    if (first?.receipt == null || second?.receipt == null) throw new Error('Not two receipts');
    first.receipt = { ...first.receipt, finishedAt: Number.MAX_SAFE_INTEGER };
    second.receipt = { ...second.receipt, finishedAt: 0 };
    const { events = [] } = await workflowDraft(facts, {
      sealedAtMs: 1_700_000_001_999,
      sealingIdentity: a.identity,
    });
    expect(events.map(({ timestamp }) => timestamp)).toEqual([
      '2023-11-14T22:13:20Z',
      '2023-11-14T22:13:21Z',
      '2023-11-14T22:13:21Z',
      '2023-11-14T22:13:21Z',
    ]);
    expect(events.map(({ target }) => target.slice(-4))).toEqual(
      [id, id, second.capsule.id, second.capsule.id].map((each) => each.slice(-4)),
    );
  });

  it('is sealed by the node: the same workflow in the same second gives the same bytes', async () => {
    const { mesh, a } = await trio();
    const { id, child } = await chain(a);
    const { capsules } = a.life;
    const explain = (each: string) => a.exchange.explain(each);
    const signer = a.key.signer;
    const archives = new WorkflowArchives({
      capsules,
      explain,
      signer,
      clock: mesh.clock,
      crypto: nodeArchiveCrypto,
    });
    const first = await archives.seal(id);
    expect(Buffer.compare(first.bytes, (await archives.seal(child)).bytes)).toBe(0);
    const verification = await verifyArchive({ crypto: nodeArchiveCrypto }, first.bytes, { strict: true });
    expect(verification).toMatchObject({
      ok: true,
      signers: [{ role: 'originator', public_key: a.identity }],
    });
    await mesh.advance(1_000);
    expect(Buffer.compare(first.bytes, (await archives.seal(id)).bytes)).not.toBe(0);
  });

  it('lets the node do other things while it is made', async () => {
    const { mesh, a } = await trio();
    const { id } = await chain(a);
    const { capsules } = a.life;
    const [original, row] = [capsules.get(id), capsules.row(id)];
    if (original === undefined || row === undefined) throw new Error('There is no capsule');
    const capsule = { ...original, payload: { text: 'x'.repeat(1_000_000) } };
    const archives = new WorkflowArchives({
      capsules: { get: () => capsule, row: () => ({ ...row, steps: [] }), result: () => undefined },
      explain: () => [],
      signer: a.key.signer,
      clock: mesh.clock,
      crypto: nodeArchiveCrypto,
    });
    let turns = 0;
    const turn = () => {
      turns += 1;
      next = setImmediate(turn);
    };
    let next = setImmediate(turn);
    await archives.seal(id);
    clearImmediate(next);
    // Once when its files are made, and once each when they are hashed and written.
    expect(turns).toBeGreaterThanOrEqual(3);
    await expect(archives.seal(id, { signal: AbortSignal.abort() })).rejects.toThrow();
  });

  it('is refused where it would be too large', async () => {
    const { a } = await trio();
    const { id } = await chain(a);
    const { capsules } = a.life;
    const facts = await gatherWorkflow({ capsules, explain: () => [] }, id);
    const capsule = { ...facts.root.capsule, payload: { text: 'x'.repeat(1_000_000) } };
    const steps = Array.from({ length: 26 }, () => ({ ...facts.root, capsule }));
    const options = { sealedAtMs: 1_700_000_999_999, sealingIdentity: a.identity };
    await expect(workflowDraft({ ...facts, steps }, options)).rejects.toThrow(
      expect.objectContaining({ code: 'too_large' }),
    );
    const row = capsules.row(id);
    if (row === undefined) throw new Error('There is no capsule');
    // Every capsule has sixteen next steps, without end.
    const endless = {
      get: () => capsules.get(id),
      row: () => ({ ...row, steps: Array.from({ length: 16 }, () => ({ child: id, error: null })) }),
      result: () => capsules.result(id),
    };
    await expect(gatherWorkflow({ capsules: endless, explain: () => [] }, id)).rejects.toMatchObject({
      code: 'too_large',
    });
  });

  it('is gathered no further when nobody waits for it', async () => {
    const { a } = await trio();
    const { id } = await chain(a);
    const { capsules } = a.life;
    const row = capsules.row(id);
    if (row === undefined) throw new Error('There is no capsule');
    const gone = new AbortController();
    let read = 0;
    const long = {
      get: () => capsules.get(id),
      result: () => undefined,
      row: () => {
        if (++read === 300) gone.abort();
        return { ...row, steps: [{ child: id, error: null }] };
      },
    };
    const { signal } = gone;
    await expect(gatherWorkflow({ capsules: long, explain: () => [] }, id, { signal })).rejects.toThrow();
    expect(read).toBeLessThan(600);
  });

  it('is refused while a step is under way, and for what the node does not know', async () => {
    const { mesh, a } = await trio();
    const next = [step('work.wait', { payloadTemplate: { ms: 60_000 } })];
    const { id } = await a.submit(a.capsule({ payload: { text: 'x' }, paymentRule, next }));
    await mesh.until(() => a.status(id) === 'completed');
    await expect(draftAt(a, id)).rejects.toThrow(
      expect.objectContaining({ code: 'conflict', message: expect.stringContaining('capsule watch ') }),
    );
    await expect(draftAt(a, 'ab'.repeat(32))).rejects.toThrow(expect.objectContaining({ code: 'not_found' }));
  });
});
