import { expect } from 'vitest';
import type { Receipt } from '../../protocols/receipt/v1/schema.ts';
import type { NodeStatus, RealNode } from './cluster.ts';

/** A result that was not taken is offered again after a second, then after two, then after four. */
const AGREEMENT_MS = 15_000;

interface Page<T> {
  items: T[];
  cursor: string | null;
}

/** Every item of a route that answers in pages. */
export async function everyItem<T>(node: RealNode, path: string): Promise<T[]> {
  const items: T[] = [];
  const separator = path.includes('?') ? '&' : '?';
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: Page<T> = await node.get(
      `${path}${separator}limit=500${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
    );
    items.push(...page.items);
    cursor = page.cursor;
  }
  return items;
}

/** Receipts of a node's chain for one capsule, by status. */
export async function receiptsOf(
  node: RealNode,
  capsuleId: string,
  status: 'completed' | 'failed',
): Promise<Receipt[]> {
  const entries = await everyItem<{ receipt: Receipt }>(node, '/api/receipts');
  return entries
    .map(({ receipt }) => receipt)
    .filter((receipt) => receipt.capsuleId === capsuleId && receipt.status === status);
}

/** Credits that an account holds in a node's book. */
export async function balanceOf(node: RealNode, identity = node.identity): Promise<number> {
  const { accounts } = await node.get<{ accounts: { account: string; balance: number }[] }>('/api/credits');
  return accounts.find(({ account }) => account === identity)?.balance ?? 0;
}

/**
 * What must hold on every node, and between every two, once no work is left. A node that was down may still have to
 * hear that another's result was accepted, so agreement is waited for. With `disputes` two may have run one capsule under
 * leases that both held: one is paid, and the other's booking stays as disputed (protocol "Credits").
 */
export async function expectSoundBooks(nodes: readonly RealNode[], { disputes = false } = {}): Promise<void> {
  for (const node of nodes) {
    await node.until<NodeStatus>(
      '/api/node',
      ({ capsules }) => capsules.pending + capsules.announced + capsules.executing === 0,
    );
  }
  for (const node of nodes) {
    for (const other of nodes) {
      if (other !== node) await agreed(node, other, disputes);
    }
    expect(await node.get('/api/receipts/verify')).toMatchObject({ ok: true, problems: [] });
    expect(await node.get('/api/credits/verify')).toMatchObject({ ok: true, problems: [] });
    const { accounts } = await node.get<{ accounts: { balance: number }[] }>('/api/credits');
    expect(accounts.reduce((sum, { balance }) => sum + balance, 0)).toBeCloseTo(0, 6);
  }
}

/** By what is disputed the books may differ, and by no more. */
async function agreed(node: RealNode, other: RealNode, disputes: boolean): Promise<void> {
  const deadline = performance.now() + AGREEMENT_MS;
  const found = await node.until<Reconciliation>(
    `/api/credits/reconcile/${other.nodeId}`,
    ({ agree }) => agree || performance.now() > deadline,
  );
  if (!disputes) expect(found).toMatchObject({ agree: true, differences: [] });
  if (found.agree) return;
  const disputed = {
    missing_there: await disputedBy(node, other),
    missing_here: await disputedBy(other, node),
  };
  const missing = { missing_there: 0, missing_here: 0 };
  for (const { kind, here, there } of found.differences) {
    if (kind === 'missing_there' || kind === 'missing_here')
      missing[kind] += (here ?? there)?.microAmount ?? Number.NaN;
    else expect(found.differences).toEqual([]);
  }
  expect(missing).toEqual(disputed);
}

interface Reconciliation {
  agree: boolean;
  differences: {
    kind: string;
    here: { microAmount: number } | null;
    there: { microAmount: number } | null;
  }[];
}

/** Micro-credits that a node has booked against another and knows to be disputed. */
export async function disputedBy(node: RealNode, other: RealNode): Promise<number> {
  const { accounts } = await node.get<{ accounts: { account: string; disputed: number }[] }>('/api/credits');
  const account = accounts.find((each) => each.account === other.identity);
  return Math.round((account?.disputed ?? 0) * 1_000_000);
}
