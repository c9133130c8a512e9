import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Item } from '../src/client/routes.ts';
import { type DemoNode, shown, shownAnywhere, startNode } from './demo/nodes.ts';

/*
 * The main job on three nodes in three processes: a real document goes to the node that cannot analyse it, and the
 * chain analyse → report → store → notify runs on the others; what they did is sealed into an archive. Ends with exit
 * code 0 only if everything held. `npm run demo -- FILE` keeps the archive there.
 */

const DOCUMENT = example('incident-report.md');
const NEXT_STEPS = example('report-store-notify.json');
/** Credits that each step pays. */
const PAYMENT = '2';
/** What the nodes ask for. */
const PRICES = {
  'text.analyze': 1,
  'ai.analyze': 2,
  'report.create': 0.2,
  'data.store': 0.05,
  'notify.send': 0.05,
};
/** ms that the whole chain may take. */
const DEADLINE_MS = 60_000;

function example(name: string): string {
  return relative(process.cwd(), fileURLToPath(new URL(`../examples/${name}`, import.meta.url)));
}

const [kept] = process.argv.slice(2);
if (kept !== undefined && existsSync(kept)) {
  process.stderr.write(`demo: There is a file ${kept} already. Name another, or none.\n`);
  process.exit(2);
}
const home = await mkdtemp(join(tmpdir(), 'capsule-demo-'));
const nodes: DemoNode[] = [];
try {
  await runDemo();
} finally {
  await Promise.all(nodes.map((node) => node.stop()));
  await rm(home, { recursive: true, force: true });
}

async function runDemo(): Promise<void> {
  say('Starting three nodes, each in its own process:');
  const analyst = await start('analyst', ['text', 'report', 'gemma'], []);
  const archive = await start('archive', ['data', 'notify'], [analyst]);
  const desk = await start('desk', [], [analyst, archive]);

  const providers = await providersSeenBy(desk, [
    'text.analyze',
    'report.create',
    'data.store',
    'notify.send',
  ]);
  const analysis = providers.some(({ capabilityId }) => capabilityId === 'ai.analyze')
    ? 'ai.analyze'
    : 'text.analyze';
  if (analysis === 'text.analyze')
    say('No Gemma answers on an Ollama here, so the analysis is text.analyze.');
  say('"desk" offers nothing itself. What it knows of the market:');
  await shown(desk, 'market');

  say(`Submitting ${DOCUMENT} at "desk", with three more steps to follow:`);
  await shown(desk, 'run', analysis, '--input', DOCUMENT, '--next', `@${NEXT_STEPS}`, '--pay', PAYMENT);

  const workflow = await finishedWorkflow(desk);
  const executors = new Set(stepsOf(workflow.tree).map(({ executor }) => executor));
  await shown(desk, 'workflow', 'show', workflow.root);
  require(workflow.status === 'completed' && workflow.steps === 4, 'Not all four steps completed');
  require(executors.size >= 2 &&
    !executors.has(desk.info.nodeId), 'The steps did not run on the two other nodes');

  say('What the two signed for; each verifies its chain of receipts and its book:');
  for (const node of [analyst, archive]) {
    await shown(node, 'receipts', 'list');
    await shown(node, 'receipts', 'verify');
    await shown(node, 'credits', 'verify');
  }
  say('What "desk" paid, and whether the others have booked the same:');
  await shown(desk, 'credits', 'show');
  await shown(desk, 'credits', 'reconcile', analyst.info.nodeId);
  await shown(desk, 'credits', 'reconcile', archive.info.nodeId);

  say('The whole of it as one signed file, which anybody can verify without a node:');
  const archiveFile = kept ?? join(home, 'workflow.capsule');
  await shown(desk, 'seal', '--workflow', workflow.root, '-o', archiveFile);
  await shownAnywhere('verify', archiveFile, '--allowlist', desk.info.identity);

  say(
    `Four capsules completed on ${executors.size} nodes; receipts verified; balances add up; the archive verifies.`,
  );
}

async function start(name: string, capabilities: string[], bootstrap: DemoNode[]): Promise<DemoNode> {
  const node = await startNode({ name, home, capabilities, prices: PRICES, bootstrap });
  nodes.push(node);
  const offers = node.info.capabilities.join(', ') || 'nothing';
  process.stdout.write(`  ${name.padEnd(8)} ${node.info.nodeId}  offers ${offers}\n`);
  return node;
}

/** Waits until the node has heard of a provider for each capability. */
async function providersSeenBy(node: DemoNode, capabilities: string[]): Promise<Item<'GET /api/market'>[]> {
  return poll('the market to be known', async () => {
    const { items } = await node.client.request('GET /api/market');
    const offered = new Set(items.map(({ capabilityId }) => capabilityId));
    return capabilities.every((capability) => offered.has(capability)) ? items : undefined;
  });
}

type Workflow = Item<'GET /api/workflows'>;
type Step = Workflow['tree'];

async function finishedWorkflow(node: DemoNode): Promise<Workflow> {
  return poll('the workflow to end', async () => {
    const { items } = await node.client.request('GET /api/workflows', { query: { limit: 1 } });
    const [newest] = items;
    return newest !== undefined && newest.status !== 'executing' ? newest : undefined;
  });
}

async function poll<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + DEADLINE_MS;
  while (Date.now() < deadline) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`Waited ${DEADLINE_MS / 1000} s for ${what}`);
}

function stepsOf(node: Step): Step[] {
  return [node, ...node.children.flatMap(stepsOf)];
}

function require(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise);
}

function say(text: string): void {
  process.stdout.write(`\n== ${text}\n`);
}
