import { type Command, Option } from 'commander';
import type { PaymentRule } from '../../../protocols/capsule/v1/schema.ts';
import type { CapsuleView, Waiting } from '../../exchange/types.ts';
import { explainNobody } from '../../market/explain-nobody.ts';
import type { Decision } from '../../market/types.ts';
import { CAPSULE_STATUSES, type CapsuleRow, type Page } from '../../store/types.ts';
import { type Cli, withExample } from '../cli.ts';
import { facts, plural, safeText, shortNode, statusText, table, time } from '../format.ts';
import { hexId, type PageOptions, pageQuery, withNext, withPage } from '../options.ts';
import { resultText } from '../outcome.ts';
import { findNode, type NodeOptions, withNode } from '../target.ts';

interface ListOptions extends NodeOptions, PageOptions {
  status?: string;
  capability?: string;
}

/** What a person calls the status `announced`. */
const WAITING = statusText('announced');

export function addCapsules(program: Command, cli: Cli): void {
  const list = program
    .command('list')
    .description('what the node stores, newest first')
    .addOption(
      new Option('--status <status>', 'only with this status').choices([...CAPSULE_STATUSES, WAITING]),
    )
    .option('--capability <id>', 'only for this capability');
  withExample(withNode(withPage(list)), 'capsule list --status failed').action(
    async (options: ListOptions) => {
      const client = await findNode(cli.io, options);
      const { status, capability } = options;
      const page = await client.request<Page<CapsuleRow>>('/api/capsules', {
        query: { status: status === WAITING ? 'announced' : status, capability, ...pageQuery(options) },
      });
      cli.answer(options, page, () => showRecords(page));
    },
  );

  const show = program
    .command('show')
    .description('one capsule with its history, result and receipt')
    .argument('<id>', 'the capsule', hexId);
  withExample(withNode(show), 'capsule show 3fa1…').action(async (id: string, options: NodeOptions) => {
    const client = await findNode(cli.io, options);
    const view = await client.request<CapsuleView>(`/api/capsules/${id}`);
    cli.answer(options, view, () => showCapsule(view));
  });

  const cancel = program
    .command('cancel')
    .description('cancel a capsule wherever it runs')
    .argument('<id>', 'the capsule', hexId);
  withExample(withNode(cancel), 'capsule cancel 3fa1…').action(async (id: string, options: NodeOptions) => {
    const client = await findNode(cli.io, options);
    const answer = await client.request<{ id: string }>(`/api/capsules/${id}/cancel`, { method: 'POST' });
    cli.answer(options, answer, () => `cancelled: ${id}`);
  });

  const explain = program
    .command('explain')
    .description('why this executor: candidates, scores, exclusions')
    .argument('<id>', 'the capsule', hexId);
  withExample(withNode(explain), 'capsule explain 3fa1…').action(async (id: string, options: NodeOptions) => {
    const client = await findNode(cli.io, options);
    const answer = await client.request<{ items: Decision[] }>(`/api/capsules/${id}/decisions`);
    const { waiting } = await client.request<CapsuleView>(`/api/capsules/${id}`);
    const now = waiting === null ? '' : `\n\nwaiting: ${safeText(waitingText(waiting))}`;
    cli.answer(options, { ...answer, waiting }, () => showDecisions(answer.items) + now);
  });
}

function showRecords({ items, cursor }: Page<CapsuleRow>): string {
  const rows = items.map((record) => [
    record.id,
    statusText(record.status),
    record.requestedCapability,
    shortNode(record.executor),
    time(record.receivedAt),
  ]);
  const lines = table(
    ['CAPSULE', 'STATUS', 'CAPABILITY', 'EXECUTOR', 'RECEIVED (UTC)'],
    rows,
    'No capsules.',
  );
  return withNext(lines, cursor);
}

function showCapsule({ record, capsule, result, error, receipt, children, waiting }: CapsuleView): string {
  const parts = [
    facts([
      ['capsule', record.id],
      ['status', statusText(record.status)],
      ...(waiting === null ? [] : [['because', safeText(waitingText(waiting))] as const]),
      ['capability', record.requestedCapability],
      ['origin', record.originIdentity],
      ['executor', record.executor ?? '-'],
      ['attempts', String(record.attempts)],
      ['privacy', capsule.privacyRule],
      ['payment', paymentText(capsule.paymentRule)],
      ['depth', String(record.chainDepth)],
      ['parent', record.parentCapsule ?? '-'],
      ['workflow', record.root],
      ['receipt', receipt?.receiptHash ?? '-'],
    ]),
    `history (UTC)\n${record.history.map(({ at, status, note }) => `  ${time(at)}  ${statusText(status).padEnd(9)}  ${safeText(note ?? '')}`.trimEnd()).join('\n')}`,
  ];
  if (children.length > 0) parts.push(`next\n${children.map((child) => `  ${child}`).join('\n')}`);
  if (error !== null) parts.push(`error\n  ${safeText(error.message)} (${error.code})`);
  if (record.status === 'completed')
    parts.push(`result\n${safeText(resultText(result)).replaceAll(/^/gm, '  ')}`);
  return parts.join('\n\n');
}

/** How many more were left out than the decision names. */
function unnamed({ excluded, excludedBy }: Decision): string[] {
  return Object.entries(excludedBy).flatMap(([reason, nodes]) => {
    const more = nodes - excluded.filter((each) => each.reason === reason).length;
    return more > 0 ? [`left out: ${String(more)} more (${reason.replaceAll('_', ' ')})`] : [];
  });
}

/** Why nobody has it now, and until when that may last. */
function waitingText({ reason, until, again }: Waiting): string {
  const next = again === null ? '' : ` The same node is tried again at ${time(again)}.`;
  return `${reason.message} (${reason.code})${next} It waits until ${time(until)} UTC.`;
}

function paymentText(rule: PaymentRule | null): string {
  if (rule === null) return 'none';
  const amount = `${rule.charge === 'price' ? 'at most ' : ''}${String(rule.amount)} credits`;
  return rule.requirePrepay ? `${amount}, prepaid` : amount;
}

function showDecisions(decisions: readonly Decision[]): string {
  if (decisions.length === 0)
    return 'No decision was made here: another node coordinates it, or it is not scheduled yet.';
  return decisions
    .map((decision) => {
      const { price, latency, distance } = decision.weights;
      const heading = `${time(decision.at)} UTC  ${decision.capabilityId}: ${plural(decision.providersKnown, 'provider')} known, weights: price ${String(price)}, latency ${String(latency)}, distance ${String(distance)}`;
      const ranking = table(
        ['NODE', 'SCORE', 'PRICE', 'LATENCY', 'RING', 'REASON'],
        decision.ranking.map((each) => [
          each.nodeId,
          each.score.toFixed(3),
          String(each.price),
          `${each.latencySeconds.toFixed(3)} s`,
          each.ring,
          each.reason,
        ]),
        explainNobody(decision),
      );
      const excluded = decision.excluded.map(
        ({ nodeId, reason, note }) =>
          `left out: ${nodeId} (${reason.replaceAll('_', ' ')}${note === undefined ? '' : `: ${safeText(note)}`})`,
      );
      const leastBad = decision.leastBad ? ['everybody was left out; the least bad is tried'] : [];
      return [heading, ranking, ...excluded, ...unnamed(decision), ...leastBad].join('\n');
    })
    .join('\n\n');
}
