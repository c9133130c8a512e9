import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeArchiveCrypto } from '../../src/archive/crypto/node-crypto.ts';
import { readArchive } from '../../src/archive/read-unverified.ts';
import { verificationReport } from '../../src/archive/report.ts';
import type { Verification } from '../../src/archive/types.ts';
import { verifyArchive } from '../../src/archive/verify.ts';
import type { Workflow, WorkflowNode } from '../../src/workflow/types.ts';
import { Cluster, type RealNode } from '../support/cluster.ts';

const DOCUMENT = new URL('../../examples/incident-report.md', import.meta.url);
const components = { crypto: nodeArchiveCrypto };

describe('a workflow over three nodes, sealed where it was submitted', () => {
  const cluster = new Cluster();
  let desk: RealNode;
  let analyst: RealNode;
  let office: RealNode;
  let workflow: Workflow;
  let archive: Buffer;

  beforeAll(async () => {
    analyst = await cluster.start({ capabilities: ['text'] });
    office = await cluster.start({ capabilities: ['report', 'data', 'archive'], bootstrap: [analyst] });
    desk = await cluster.start({ bootstrap: [analyst, office] });
    await desk.knows(analyst, 'text.analyze');
    await desk.knows(office, 'report.create');
    await analyst.knows(office, 'report.create');
    const paymentRule = { type: 'credit', amount: 2 };
    const store = {
      requestedCapability: 'data.store',
      payloadTemplate: { key: 'report', value: '$result.markdown' },
    };
    const report = {
      requestedCapability: 'report.create',
      payloadTemplate: { analysis: '$result' },
      next: [store],
    };
    const id = await desk.submit({
      requestedCapability: 'text.analyze',
      payload: { text: await readFile(DOCUMENT, 'utf8') },
      paymentRule,
      next: [report],
    });
    workflow = await desk.workflowEnded(id);
    archive = await sealed(desk, id);
  });

  afterAll(() => cluster[Symbol.asyncDispose]());

  it('verifies, in every particular that the format demands', async () => {
    const verification = await verifyArchive(components, archive, {
      strict: true,
      allowlist: [desk.identity],
    });
    expect(verification).toMatchObject({ ok: true, findings: [], warnings: [], trustedSigners: 1 });
    expect(verification.manifest?.originator.public_key).toBe(desk.identity);
  });

  it('has one event for each capsule and one for each receipt, by those who did it', async () => {
    const { events } = await verifyArchive(components, archive);
    const steps = stepsOf(workflow.tree);
    const expected = steps.flatMap(({ id, executor }, index) => [
      [
        index === 0 ? 'capsule_submitted' : 'step_delegated',
        // The submitter continues its chain.
        index === 0 ? `human:${desk.nodeId}` : `system:${desk.nodeId}`,
        `capsule:${id}`,
      ],
      ['capsule_executed', `system:${executor}`, `capsule:${id}`],
    ]);
    expect(events.map(({ action, actor, target }) => [action, actor, target])).toEqual(expected);
    expect(events.at(-1)).toMatchObject({ kind: 'mutation', payload: { price: 2 } });
  });

  it('holds each capsule, input, receipt and result, with the hashes that the receipts name', async () => {
    const { manifest } = await readArchive(components, archive);
    const hashes = new Map(manifest.content_index.files.map(({ path, sha256 }) => [path, sha256]));
    for (const { id } of stepsOf(workflow.tree)) {
      const { receipt } = await desk.view(String(id));
      expect(hashes.get(`payload/inputs/${id}.json`)).toBe(receipt?.inputHash);
      expect(hashes.get(`payload/results/${id}.json`)).toBe(receipt?.resultHash);
      expect(hashes.has(`payload/capsules/${id}.json`)).toBe(true);
      expect(hashes.has(`payload/receipts/${id}.json`)).toBe(true);
    }
    expect(hashes.has(`payload/decisions/${workflow.root}.json`)).toBe(true);
  });

  it('fails in its content index when one byte of a payload is flipped', async () => {
    const { outer } = await readArchive(components, archive);
    const entry = outer.entries.get(`payload/results/${workflow.root}.json`);
    const flipped = Buffer.from(archive);
    const at = (entry?.dataOffset ?? 0) + 10;
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    const local = await verifyArchive(components, flipped);
    expect(local.failing).toContain('content_index');
    expect(await verdictOfOffice(flipped)).toEqual(reportOf(local));
  });

  it('gets the same verdict from another node', async () => {
    expect(await verdictOfOffice(archive)).toEqual(reportOf(await verifyArchive(components, archive)));
  });

  it('is not sealed before its end', async () => {
    const id = await desk.submit({ requestedCapability: 'nobody.offers', payload: {} });
    const early = await call(desk, `/api/workflows/${id}/archive`);
    expect([early.status, await early.json()]).toEqual([409, expect.objectContaining({ code: 'conflict' })]);
  });

  /** As work for the only other node that offers it. */
  async function verdictOfOffice(bytes: Buffer): Promise<unknown> {
    const payload = { archive: bytes.toString('base64') };
    const id = await desk.submit({ requestedCapability: 'archive.verify', payload });
    const { status, executor, result } = await desk.ended(id);
    expect([status, executor]).toEqual(['completed', office.nodeId]);
    return result;
  }
});

const reportOf = (verification: Verification): unknown =>
  JSON.parse(JSON.stringify(verificationReport(verification)));

async function call(node: RealNode, path: string): Promise<Response> {
  const token = (await readFile(join(node.directory, 'api-token'), 'utf8')).trim();
  return fetch(node.url + path, { headers: { authorization: `Bearer ${token}` } });
}

async function sealed(node: RealNode, id: string): Promise<Buffer> {
  const response = await call(node, `/api/workflows/${id}/archive`);
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return Buffer.from(await response.arrayBuffer());
}

function stepsOf(node: WorkflowNode): WorkflowNode[] {
  return [node, ...node.children.flatMap(stepsOf)];
}
