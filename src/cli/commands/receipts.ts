import type { Command } from 'commander';
import type { Receipt, RunUse, WasmExecution } from '../../../protocols/receipt/v1/schema.ts';
import { modelExecutionOf } from '../../capsule/model-execution.ts';
import type { ReceiptsVerification } from '../../engine/types.ts';
import type { CapsuleView } from '../../exchange/types.ts';
import { MeshError } from '../../lib/errors.ts';
import type { Page } from '../../store/types.ts';
import type { ApiClient } from '../api-client.ts';
import { writeText } from '../archive-files.ts';
import { type Cli, withExample } from '../cli.ts';
import { EXIT } from '../failure.ts';
import { duration, facts, type Layout, plural, table, time } from '../format.ts';
import { hexId, receiptId } from '../ids.ts';
import { furtherPages, type OutOptions, type PageOptions, withOut, withPages } from '../options.ts';
import { findNode, type NodeOptions, withNode } from '../target.ts';

/** ms for what walks the whole chain. */
const WALK_TIMEOUT_MS = 600_000;
const EXPORT_PAGE = 500;

type Receipts = Page<{ sequence: number; receipt: Receipt }>;

export function addReceipts(program: Command, cli: Cli): void {
  const group = program
    .command('receipts')
    .description('the chain of receipts: one for everything that ran here');
  withExample(group, 'capsule receipts list', 'capsule receipts verify');

  const list = group.command('list').description('this node’s receipts, newest first');
  withExample(withNode(withPages(list)), 'capsule receipts list').action(
    async (options: NodeOptions & PageOptions) => {
      const client = await findNode(cli.io, options);
      const page = await client.request<Receipts>('/api/receipts', {
        query: { limit: options.limit, cursor: options.cursor },
      });
      cli.answer(options, page, (layout) => showList(page, layout));
    },
  );

  const show = group
    .command('show')
    .description('one receipt')
    .argument('<id>', 'its hash, or the capsule’s id', hexId);
  withExample(withNode(show), 'capsule receipts show 3fa1…').action(
    async (typed: string, options: NodeOptions) => {
      const client = await findNode(cli.io, options);
      const receipt = await findReceipt(client, await receiptId(client, typed));
      cli.answer(options, receipt, (layout) => showReceipt(receipt, layout));
    },
  );

  const verify = group
    .command('verify')
    .description('walk the whole chain and find any edit, deletion or reordering')
    .option('--from <file>', 'an exported chain instead, without a node');
  withExample(
    withNode(verify),
    'capsule receipts verify',
    'capsule receipts verify --from receipts.jsonl',
  ).action(async (options: NodeOptions & { from?: string }) => {
    const found = await (options.from === undefined
      ? verifyHere(await findNode(cli.io, options))
      : verifyFile(cli, options.from));
    if (!found.ok) cli.exitCode = EXIT.failed;
    cli.answer(options, found, () => showVerification(found));
  });

  const exporting = withOut(
    group.command('export').description('the whole chain, newest first, one JSON document a line'),
    'it',
  );
  withExample(withNode(exporting), 'capsule receipts export --out receipts.jsonl').action(
    async (options: NodeOptions & OutOptions) => {
      const client = await findNode(cli.io, options);
      if (options.out === undefined) for await (const line of exportLines(client)) cli.print(line);
      else await writeText(options.out, exportLines(client), options);
    },
  );
}

function verifyHere(client: ApiClient): Promise<ReceiptsVerification> {
  return client.request('/api/receipts/verify', { timeoutMs: WALK_TIMEOUT_MS });
}

async function verifyFile(cli: Cli, file: string): Promise<ReceiptsVerification> {
  const { verifyExport } = await import('../receipt-chain.ts');
  return verifyExport(cli.io, file);
}

async function* exportLines(client: ApiClient): AsyncGenerator<string> {
  let cursor: string | undefined;
  do {
    const page: Receipts = await client.request('/api/receipts', { query: { limit: EXPORT_PAGE, cursor } });
    for (const { sequence, receipt } of page.items) yield `${JSON.stringify({ sequence, receipt })}\n`;
    cursor = page.cursor ?? undefined;
  } while (cursor !== undefined);
}

/** By hash in this node's chain; else what the node knows of a capsule that ran elsewhere. */
async function findReceipt(client: ApiClient, id: string): Promise<Receipt> {
  try {
    return await client.request<Receipt>(`/api/receipts/${id}`);
  } catch (error) {
    if (!(error instanceof MeshError) || error.code !== 'not_found') throw error;
    const view = await client.request<CapsuleView>(`/api/capsules/${id}`).catch(() => undefined);
    if (view?.receipt) return view.receipt;
    throw new MeshError('not_found', `There is no receipt with the hash, or for the capsule, ${id}.`);
  }
}

function showList({ items, cursor }: Receipts, layout: Layout): string {
  const rows = items.map(({ sequence, receipt }) => [
    String(sequence),
    receipt.receiptHash,
    receipt.capabilityId,
    receipt.status,
    duration(receipt.finishedAt - receipt.startedAt),
    time(receipt.finishedAt),
  ]);
  const lines = table(
    ['#', 'RECEIPT', 'CAPABILITY', 'STATUS', 'TOOK', 'FINISHED (UTC)'],
    rows,
    'No receipts yet.',
    layout,
  );
  return lines + furtherPages({ cursor });
}

function showReceipt(receipt: Receipt, layout: Layout): string {
  const execution = modelExecutionOf(receipt);
  const use = receipt.execution?.use;
  const wasm = receipt.execution !== null && 'wasm' in receipt.execution ? receipt.execution.wasm : null;
  return facts(
    [
      ['receipt', receipt.receiptHash],
      ['capsule', receipt.capsuleId ?? '-'],
      ['by', receipt.identity],
      ['capability', `${receipt.capabilityId} (${receipt.action})`],
      ['code', receipt.codeHash ?? '-'],
      [
        'status',
        receipt.error === null ? receipt.status : `failed: ${receipt.error.message} (${receipt.error.code})`,
      ],
      ['input', receipt.inputHash],
      ['result', receipt.resultHash ?? '-'],
      ['lease', receipt.lease ?? '-'],
      ['charge', receipt.charge === null ? '-' : `${receipt.charge} credits`],
      ['model', execution === null ? '-' : `${execution.model} ${execution.digest ?? ''}`.trim()],
      ...(wasm === null ? [] : [['module', moduleFacts(wasm)] as const]),
      ...(use === undefined ? [] : [['took', amounts(use)] as const]),
      ['permissions', receipt.permissionsUsed.join(', ') || 'none used'],
      ['ran', `${time(receipt.startedAt)} UTC for ${duration(receipt.finishedAt - receipt.startedAt)}`],
      ['state', `${receipt.previousStateRoot} -> ${receipt.nextStateRoot}`],
      ['previous', receipt.previousReceiptHash],
    ],
    layout,
  );
}

function showVerification({ ok, receipts, problems }: ReceiptsVerification): string {
  const heading = `${ok ? 'in order' : 'NOT in order'}: ${plural(receipts, 'receipt')}`;
  return [
    heading,
    ...problems.map(({ sequence, problem }) => `receipt ${String(sequence)}: ${problem}`),
  ].join('\n');
}

/** `<SHA-256>, run, at most 5000 ms and 256 pages`. */
function moduleFacts({ sha256, function: name, limits }: WasmExecution['wasm']): string {
  return `${sha256}, ${name}, at most ${limits.timeMs} ms and ${plural(limits.memoryPages, 'page')}`;
}

/** `12.3 ms of processor time, 24 MB of memory`. */
function amounts({ cpuMs, peakMemoryBytes }: RunUse): string {
  const cpu = cpuMs === null ? [] : [`${cpuMs} ms of processor time`];
  const memory = peakMemoryBytes === null ? [] : [`${Math.ceil(peakMemoryBytes / 1_000_000)} MB of memory`];
  return [...cpu, ...memory].join(', ') || '-';
}
