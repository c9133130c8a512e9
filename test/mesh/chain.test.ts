import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Workflow, WorkflowNode } from '../../src/workflow/types.ts';
import { balanceOf, everyItem, expectSoundBooks, receiptsOf } from '../support/books.ts';
import { Cluster, type RealNode } from '../support/cluster.ts';
import { objectOf } from '../support/vectors.ts';

const DOCUMENT = new URL('../../examples/incident-report.md', import.meta.url);

describe('a chain over three nodes', () => {
  const cluster = new Cluster();
  let submitter: RealNode;
  let analyst: RealNode;
  let office: RealNode;
  let workflow: Workflow;

  beforeAll(async () => {
    analyst = await cluster.start({ capabilities: ['text'] });
    office = await cluster.start({ capabilities: ['report', 'data', 'notify'], bootstrap: [analyst] });
    submitter = await cluster.start({ bootstrap: [analyst, office] });
    await submitter.knows(analyst, 'text.analyze');
    await submitter.knows(office, 'report.create');
    await analyst.knows(office, 'report.create');
    const text = await readFile(DOCUMENT, 'utf8');
    const id = await submitter.submit({
      requestedCapability: 'text.analyze',
      payload: { text },
      paymentRule: { type: 'credit', amount: 4 },
      next: [
        {
          requestedCapability: 'report.create',
          payloadTemplate: { title: 'The document', analysis: '$result' },
          paymentRule: { type: 'credit', amount: 3 },
          next: [
            {
              requestedCapability: 'data.store',
              payloadTemplate: { key: 'reports/document', value: '$result.markdown' },
              paymentRule: { type: 'credit', amount: 2.5 },
              next: [
                {
                  requestedCapability: 'notify.send',
                  payloadTemplate: { message: 'The report is stored.', data: '$result' },
                  paymentRule: { type: 'credit', amount: 1.25 },
                },
              ],
            },
          ],
        },
      ],
    });
    workflow = await submitter.workflowEnded(id);
  });

  afterAll(() => cluster[Symbol.asyncDispose]());

  it('completes every step where it is offered', async () => {
    const steps = stepsOf(workflow.tree);
    expect(workflow).toMatchObject({ status: 'completed', steps: 4 });
    expect(
      steps.map(({ requestedCapability, status, executor }) => [requestedCapability, status, executor]),
    ).toEqual([
      ['text.analyze', 'completed', analyst.nodeId],
      ['report.create', 'completed', office.nodeId],
      ['data.store', 'completed', office.nodeId],
      ['notify.send', 'completed', office.nodeId],
    ]);
  });

  it('carries each result into the next step, and all of them to the submitter', async () => {
    const [analysis, report, stored] = await Promise.all(
      stepsOf(workflow.tree).map(({ id }) => submitter.view(String(id))),
    );
    expect(report?.capsule.payload.analysis).toEqual(analysis?.result);
    expect(report?.result).toMatchObject({ markdown: expect.stringContaining('The document') });
    expect(stored?.capsule.payload.value).toBe(objectOf(report?.result).markdown);
    expect(report?.capsule).toMatchObject({
      originIdentity: submitter.identity,
      chainDepth: 1,
      lineage: { step: 0, parent: analysis?.id, receipt: analysis?.receipt?.receiptHash },
    });
  });

  it('leaves one receipt for each step in the chain of the node that executed it', async () => {
    for (const { id, executor, receiptHash } of stepsOf(workflow.tree)) {
      const at = executor === analyst.nodeId ? analyst : office;
      const receipts = await receiptsOf(at, String(id), 'completed');
      expect(receipts.map((receipt) => receipt.receiptHash)).toEqual([receiptHash]);
      expect((await submitter.view(String(id))).receipt).toEqual(receipts[0]);
    }
  });

  it('is paid for by its origin, in every book alike', async () => {
    await expectSoundBooks([submitter, analyst, office]);
    expect(await balanceOf(submitter)).toBe(-10.75);
    expect(await balanceOf(submitter, analyst.identity)).toBe(4);
    expect(await balanceOf(submitter, office.identity)).toBe(6.75);
    expect(await balanceOf(analyst)).toBe(4);
    expect(await balanceOf(office)).toBe(6.75);
    const entries = await everyItem<{ reference: string }>(submitter, '/api/credits/history');
    expect(entries.map(({ reference }) => reference).sort()).toEqual(
      stepsOf(workflow.tree)
        .map(({ id }) => `capsule:${id}`)
        .sort(),
    );
  });

  it('is listed as one tree, the newest first', async () => {
    const later = await submitter.submit({
      requestedCapability: 'data.delete',
      payload: { key: 'nothing' },
    });
    expect(await submitter.ended(later)).toMatchObject({ status: 'completed', executor: office.nodeId });
    const { items } = await submitter.get<{ items: Workflow[] }>('/api/workflows');
    expect(items.map(({ root, steps }) => [root, steps])).toEqual([
      [later, 1],
      [workflow.root, 4],
    ]);
    const [, , , last] = stepsOf(workflow.tree);
    expect(await submitter.get(`/api/workflows/${last?.id}`)).toEqual(workflow);
  });
});

function stepsOf(node: WorkflowNode): WorkflowNode[] {
  return [node, ...node.children.flatMap(stepsOf)];
}
