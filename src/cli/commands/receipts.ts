import type { Receipt, RunUse, WasmExecution } from '../../../protocols/receipt/v1/schema.ts';
import { modelExecutionOf } from '../../capsule/model-execution.ts';
import type { MeshClient } from '../../client/client.ts';
import { MeshError } from '../../lib/errors.ts';
import { writeText } from '../archive-files.ts';
import { command, group, listing, query } from '../command.ts';
import { EXIT } from '../failure.ts';
import { duration, facts, type Layout, plural, time } from '../format.ts';
import { RECEIPT } from '../ids.ts';
import { option } from '../option.ts';
import { NODE, outputOf, WALK_TIMEOUT_MS } from '../options.ts';
import { findNode } from '../target.ts';

const list = listing({
  name: 'list',
  about: 'this node’s receipts, newest first',
  examples: ['capsule receipts list'],
  route: 'GET /api/receipts',
  columns: {
    '#': ({ sequence }) => String(sequence),
    RECEIPT: ({ receipt }) => receipt.receiptHash,
    CAPABILITY: ({ receipt }) => receipt.capabilityId,
    STATUS: ({ receipt }) => receipt.status,
    TOOK: ({ receipt }) => duration(receipt.finishedAt - receipt.startedAt),
    'FINISHED (UTC)': ({ receipt }) => time(receipt.finishedAt),
  },
  empty: 'No receipts yet.',
});

const show = query({
  name: 'show',
  about: 'one receipt',
  args: [RECEIPT],
  examples: ['capsule receipts show 3fa1…'],
  ask: (client, _, id) => findReceipt(client, id),
  show: showReceipt,
});

const verify = command({
  name: 'verify',
  about: 'walk the whole chain and find any edit, deletion or reordering',
  options: { from: option('<file>', 'an exported chain instead, without a node'), ...NODE },
  examples: ['capsule receipts verify', 'capsule receipts verify --from receipts.jsonl'],
  async run(cli, { from, ...options }) {
    const found =
      from === undefined
        ? await (await findNode(cli.io, options)).request('GET /api/receipts/verify', {
            timeoutMs: WALK_TIMEOUT_MS,
          })
        : await (await import('../receipt-chain.ts')).verifyExport(cli.io, from);
    if (!found.ok) cli.exitCode = EXIT.failed;
    cli.answer(options, found, () =>
      [
        `${found.ok ? 'in order' : 'NOT in order'}: ${plural(found.receipts, 'receipt')}`,
        ...found.problems.map(({ sequence, problem }) => `receipt ${String(sequence)}: ${problem}`),
      ].join('\n'),
    );
  },
});

const exporting = command({
  name: 'export',
  about: 'the whole chain, newest first, one JSON document a line',
  options: { ...outputOf('it'), ...NODE },
  examples: ['capsule receipts export --out receipts.jsonl'],
  async run(cli, options) {
    const lines = exportLines(await findNode(cli.io, options));
    if (options.out === undefined) for await (const line of lines) cli.print(line);
    else await writeText(options.out, lines, options);
  },
});

export const receipts = group(
  {
    name: 'receipts',
    about: 'the chain of receipts: one for everything that ran here',
    examples: ['capsule receipts list', 'capsule receipts verify'],
  },
  [list, show, verify, exporting],
);

async function* exportLines(client: MeshClient): AsyncGenerator<string> {
  for await (const { sequence, receipt } of client.all('GET /api/receipts'))
    yield `${JSON.stringify({ sequence, receipt })}\n`;
}

/** By hash in this node's chain; else what the node knows of a capsule that ran elsewhere. */
async function findReceipt(client: MeshClient, id: string): Promise<Receipt> {
  try {
    return await client.request('GET /api/receipts/:hash', { params: { hash: id } });
  } catch (error) {
    if (!(error instanceof MeshError) || error.code !== 'not_found') throw error;
    const view = await client.request('GET /api/capsules/:id', { params: { id } }).catch(() => undefined);
    if (view?.receipt) return view.receipt;
    throw new MeshError('not_found', `There is no receipt with the hash, or for the capsule, ${id}.`);
  }
}

function showReceipt(receipt: Receipt, layout: Layout): string {
  const { error, charge } = receipt;
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
      ['status', error === null ? receipt.status : `failed: ${error.message} (${error.code})`],
      ['input', receipt.inputHash],
      ['result', receipt.resultHash ?? '-'],
      ['lease', receipt.lease ?? '-'],
      ['charge', charge === null ? '-' : `${charge} credits`],
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
