import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CapsuleView } from '../../src/exchange/types.ts';
import { inProcess, type Ran } from '../support/cli.ts';
import { Cluster, ECHO, type RealNode } from '../support/cluster.ts';

/** Three processes, two of them after the first. */
const STARTS_MS = 90_000;

type Shown = Pick<CapsuleView, 'id' | 'status' | 'executor' | 'receipt'> & { costAtMost: number };

const step = (text: string, next?: object[]) => ({
  requestedCapability: 'test.echo',
  payloadTemplate: { text },
  ...(next && { next }),
});

describe('--pay among providers with different prices', () => {
  const cluster = new Cluster();
  let cheap: RealNode;
  let dear: RealNode;
  let asker: RealNode;

  const ask = (...args: string[]): Promise<Ran> => inProcess([...args, '--data', asker.directory]);
  const run = async (...args: string[]): Promise<{ shown: Shown; stderr: string }> => {
    const ran = await ask('run', 'test.echo', ...args, '--json');
    expect(ran.code).toBe(0);
    return { shown: JSON.parse(ran.stdout) as Shown, stderr: ran.stderr };
  };
  /** Credits that the asker owes after all. */
  const owed = async (): Promise<number> => {
    const { accounts } = await asker.get<{ accounts: { account: string; balance: number }[] }>(
      '/api/credits',
    );
    return -(accounts.find(({ account }) => account === asker.identity)?.balance ?? 0);
  };

  beforeAll(async () => {
    const priced = (price: number): Promise<RealNode> =>
      cluster.start({
        capabilities: [ECHO],
        config: { capabilities: { prices: { 'test.echo': price } } },
      });
    [cheap, dear] = await Promise.all([priced(1), priced(3)]);
    asker = await cluster.start({ bootstrap: [cheap, dear] });
    for (const node of [cheap, dear]) await asker.knows(node, 'test.echo');
  }, STARTS_MS);

  afterAll(() => cluster[Symbol.asyncDispose]());

  it('pays what the provider asks, and says what it may cost at most', async () => {
    const before = await owed();
    const { shown, stderr } = await run('one', '--pay', '5');
    expect(shown).toMatchObject({ status: 'completed', costAtMost: 5, receipt: { charge: 1 } });
    expect(shown.executor).toBe(cheap.nodeId);
    expect(stderr).toBe('');
    expect((await owed()) - before).toBe(1);
  });

  it('pays what the named provider asks', async () => {
    const before = await owed();
    const { shown } = await run('one', '--pay', '5', '--on', dear.nodeId);
    expect(shown).toMatchObject({ executor: dear.nodeId, receipt: { charge: 3 } });
    expect((await owed()) - before).toBe(3);
  });

  it('takes nobody who asks for more, and says so', async () => {
    const waiting = await ask('run', 'test.echo', 'one', '--pay', '0.5', '--detach');
    const id = waiting.stdout.trim();
    await asker.until<CapsuleView>(`/api/capsules/${id}`, ({ status }) => status === 'announced');
    expect((await ask('explain', id)).stdout).toMatch(/left out: 12D3\w+ \(price above amount\)/);
    expect((await ask('show', id)).stdout).toMatch(/^status +waiting$/m);
    expect(await ask('cancel', id)).toMatchObject({ code: 0 });
  });

  it('never costs more than was said of a chain, also where a step is done by the dearer', async () => {
    const before = await owed();
    const next = JSON.stringify([step('two', [step('three')]), step('four')]);
    const { shown, stderr } = await run('one', '--pay', '3', '--next', next);
    expect(stderr).toBe('Costs at most 12 credits: at most 3 for each of 4 capsules of the chain.\n');
    expect(shown.costAtMost).toBe(12);
    expect(await asker.workflowEnded(shown.id)).toMatchObject({ status: 'completed', steps: 4 });
    expect((await owed()) - before).toBe(4);
    await cheap.kill();
    const again = await run('one', '--pay', '3', '--next', next);
    expect(await asker.workflowEnded(again.shown.id)).toMatchObject({ status: 'completed', steps: 4 });
    expect((await owed()) - before).toBe(16);
    expect(await ask('credits', 'verify')).toMatchObject({ code: 0 });
  });

  it('ends soon where nobody knows the name, and names the nearest one', async () => {
    const ran = await ask('run', 'test.ehco', 'one', '--pay', '3');
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toMatch(
      /^No node .* Did you mean test\.echo\?\ncapsule: .* test\.echo\. \(no_provider\)\nSee who offers what: capsule market\n/,
    );
  });
});
