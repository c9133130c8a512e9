import type { Answer, Item } from '../../client/routes.ts';
import { explainNobody } from '../../market/explain-nobody.ts';
import { CAPSULE_STATUSES } from '../../store/types.ts';
import { listing, query } from '../command.ts';
import { coloured, facts, type Layout, plural, shortNode, statusText, table, time } from '../format.ts';
import { CAPSULE } from '../ids.ts';
import { choice, option } from '../option.ts';
import { resultText } from '../outcome.ts';

type View = Answer<'GET /api/capsules/:id'>;
type Row = Item<'GET /api/capsules'>;
type Decision = Answer<'GET /api/capsules/:id/decisions'>['items'][number];

/** What a person calls the status `announced`. */
const WAITING = 'waiting' as const;
const UNDER_WAY = CAPSULE_STATUSES.filter((status) => status !== 'completed' && status !== 'failed');
/** Of each status; a node with more under way is not watched line by line. */
const MOST_UNDER_WAY = 500;

const COLUMNS = {
  CAPSULE: (row: Row) => row.id,
  STATUS: (row: Row) => statusText(row.status, row.error),
  CAPABILITY: (row: Row) => row.requestedCapability,
  EXECUTOR: (row: Row, layout: Layout) => shortNode(row.executor, layout),
  'RECEIVED (UTC)': (row: Row) => time(row.receivedAt),
};

const list = listing({
  name: 'list',
  about: 'what the node stores, newest first',
  options: {
    status: choice('<status>', 'only with this status', [...CAPSULE_STATUSES, WAITING]),
    capability: option('<capability>', 'only for this one'),
  },
  examples: ['capsule list --status failed'],
  route: 'GET /api/capsules',
  filter: ({ status, capability }) => ({ status: status === WAITING ? 'announced' : status, capability }),
  columns: COLUMNS,
  empty: 'No capsules.',
});

const ps = query({
  name: 'ps',
  about: 'what is under way: not ended, newest first',
  examples: ['capsule ps'],
  async ask(client) {
    const pages = await Promise.all(
      UNDER_WAY.map((status) =>
        client.request('GET /api/capsules', { query: { status, limit: MOST_UNDER_WAY } }),
      ),
    );
    return { items: pages.flatMap(({ items }) => items).sort((a, b) => b.receivedAt - a.receivedAt) };
  },
  show: ({ items }, layout) => table(items, COLUMNS, 'Nothing is under way.', layout),
});

const show = query({
  name: 'show',
  about: 'one capsule with its history, result and receipt',
  args: [CAPSULE],
  examples: ['capsule show 3fa1…'],
  ask: (client, _, id) => client.request('GET /api/capsules/:id', { params: { id } }),
  show: showCapsule,
});

const cancel = query({
  name: 'cancel',
  about: 'cancel a capsule wherever it runs',
  args: [CAPSULE],
  examples: ['capsule cancel 3fa1…'],
  ask: (client, _, id) => client.request('POST /api/capsules/:id/cancel', { params: { id } }),
  show: ({ id }) => `cancelled: ${id}`,
});

const explain = query({
  name: 'explain',
  about: 'why this executor: candidates, scores, exclusions',
  args: [CAPSULE],
  examples: ['capsule explain 3fa1…'],
  async ask(client, _, id) {
    const { items } = await client.request('GET /api/capsules/:id/decisions', { params: { id } });
    const { waiting } = await client.request('GET /api/capsules/:id', { params: { id } });
    return { items, waiting };
  },
  show: ({ items, waiting }, layout) =>
    showDecisions(items, layout) + (waiting === null ? '' : `\n\nwaiting: ${waitingText(waiting)}`),
});

export const capsules = [list, ps, show, cancel, explain];

function showCapsule(view: View, layout: Layout): string {
  const { record, capsule, result, error, receipt, children, waiting } = view;
  const parts = [
    facts(
      [
        ['capsule', record.id],
        ['status', statusText(record.status, record.error)],
        ...(waiting === null ? [] : [['because', waitingText(waiting)] as const]),
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
      ],
      layout,
    ),
    `history (UTC)\n${record.history.map(({ at, status, note }) => `  ${time(at)}  ${coloured(statusText(status, record.error).padEnd(9), layout)}  ${note ?? ''}`.trimEnd()).join('\n')}`,
  ];
  if (children.length > 0) parts.push(`next\n${children.map((child) => `  ${child}`).join('\n')}`);
  if (error !== null) parts.push(`error\n  ${error.message} (${error.code})`);
  if (record.status === 'completed') parts.push(`result\n${resultText(result).replaceAll(/^/gm, '  ')}`);
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
function waitingText({ reason, until, again }: NonNullable<View['waiting']>): string {
  const next = again === null ? '' : ` The same node is tried again at ${time(again)}.`;
  return `${reason.message} (${reason.code})${next} It waits until ${time(until)} UTC.`;
}

function paymentText(rule: View['capsule']['paymentRule']): string {
  if (rule === null) return 'none';
  const amount = `${rule.charge === 'price' ? 'at most ' : ''}${String(rule.amount)} credits`;
  return rule.requirePrepay ? `${amount}, prepaid` : amount;
}

type Candidate = Decision['ranking'][number];
const CANDIDATES = {
  NODE: (each: Candidate) => each.nodeId,
  SCORE: (each: Candidate) => each.score.toFixed(3),
  PRICE: (each: Candidate) => String(each.price),
  LATENCY: (each: Candidate) => `${each.latencySeconds.toFixed(3)} s`,
  RING: (each: Candidate) => each.ring,
  REASON: (each: Candidate) => each.reason,
};

function showDecisions(decisions: readonly Decision[], layout: Layout): string {
  if (decisions.length === 0)
    return 'No decision was made here: another node coordinates it, or it is not scheduled yet.';
  return decisions.map((decision) => showDecision(decision, layout)).join('\n\n');
}

function showDecision(decision: Decision, layout: Layout): string {
  const { price, latency, distance } = decision.weights;
  const known = plural(decision.providersKnown, 'provider');
  return [
    `${time(decision.at)} UTC  ${decision.capabilityId}: ${known} known, weights: price ${String(price)}, latency ${String(latency)}, distance ${String(distance)}`,
    table(decision.ranking, CANDIDATES, explainNobody(decision), layout),
    ...decision.excluded.map(
      ({ nodeId, reason, note }) =>
        `left out: ${nodeId} (${reason.replaceAll('_', ' ')}${note === undefined ? '' : `: ${note}`})`,
    ),
    ...unnamed(decision),
    ...(decision.leastBad ? ['everybody was left out; the least bad is tried'] : []),
  ].join('\n');
}
