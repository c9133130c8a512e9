import type { Item } from '../../client/routes.ts';
import { terminalLine } from '../../lib/untrusted-text.ts';
import { group, query } from '../command.ts';
import { coloured, furtherPages, type Layout, plural, shortNode, statusText, time, tree } from '../format.ts';
import { capsuleId, hexId } from '../ids.ts';
import { arg } from '../option.ts';
import { PAGES, pageOf } from '../options.ts';

type Workflow = Item<'GET /api/workflows'>;

const list = query({
  name: 'list',
  about: 'workflows, newest first',
  options: PAGES,
  examples: ['capsule workflow list --limit 5'],
  ask: (client, options) => client.request('GET /api/workflows', { query: pageOf(options) }),
  show: ({ items, cursor }, layout) =>
    items.map((each) => showWorkflow(each, layout)).join('\n\n') + furtherPages(cursor) || 'No workflows.',
});

const show = query({
  name: 'show',
  about: 'one workflow with the status of each step',
  args: [arg('<id>', 'any capsule of it', hexId, capsuleId)],
  examples: ['capsule workflow show 3fa1…'],
  ask: (client, _, id) => client.request('GET /api/workflows/:id', { params: { id } }),
  show: showWorkflow,
});

export const workflow = group(
  { name: 'workflow', about: 'chains of capsules as trees', examples: ['capsule workflow list'] },
  [list, show],
);

function showWorkflow({ status, receivedAt, steps, tree: root }: Workflow, layout: Layout): string {
  const heading = `${time(receivedAt)} UTC  ${coloured(statusText(status, root.error), layout)}, ${plural(steps, 'step')}`;
  return `${heading}\n${tree(
    root,
    (step) => stepLine(step, layout),
    (step) => step.children,
  )}`;
}

function stepLine(step: Workflow['tree'], layout: Layout): string {
  const where = step.executor === null ? '' : ` on ${shortNode(step.executor, layout)}`;
  const why = step.error === null ? '' : `: ${terminalLine(step.error.message)} (${step.error.code})`;
  return `${step.requestedCapability}  ${coloured(statusText(step.status, step.error), layout)}${where}${why}  ${step.id ?? ''}`.trimEnd();
}
