import type { Command } from 'commander';
import { terminalLine } from '../../lib/untrusted-text.ts';
import type { Page } from '../../store/types.ts';
import type { Workflow, WorkflowNode } from '../../workflow/types.ts';
import { type Cli, withExample } from '../cli.ts';
import { coloured, type Layout, plural, shortNode, statusText, time, tree } from '../format.ts';
import { capsuleId, hexId } from '../ids.ts';
import { furtherPages, type PageOptions, withPages } from '../options.ts';
import { findNode, type NodeOptions, withNode } from '../target.ts';

export function addWorkflow(program: Command, cli: Cli): void {
  const workflow = program.command('workflow').description('chains of capsules as trees');
  withExample(workflow, 'capsule workflow list');

  const list = workflow.command('list').description('workflows, newest first');
  withExample(withNode(withPages(list)), 'capsule workflow list --limit 5').action(
    async (options: NodeOptions & PageOptions) => {
      const client = await findNode(cli.io, options);
      const page = await client.request<Page<Workflow>>('/api/workflows', {
        query: { limit: options.limit, cursor: options.cursor },
      });
      cli.answer(
        options,
        page,
        (layout) =>
          page.items.map((each) => showWorkflow(each, layout)).join('\n\n') + furtherPages(page) ||
          'No workflows.',
      );
    },
  );

  const show = workflow
    .command('show')
    .description('one workflow with the status of each step')
    .argument('<id>', 'any capsule of it', hexId);
  withExample(withNode(show), 'capsule workflow show 3fa1…').action(
    async (typed: string, options: NodeOptions) => {
      const client = await findNode(cli.io, options);
      const id = await capsuleId(client, typed);
      const answer = await client.request<Workflow>(`/api/workflows/${id}`);
      cli.answer(options, answer, (layout) => showWorkflow(answer, layout));
    },
  );
}

function showWorkflow({ status, receivedAt, steps, tree: root }: Workflow, layout: Layout): string {
  const heading = `${time(receivedAt)} UTC  ${coloured(statusText(status, root.error), layout)}, ${plural(steps, 'step')}`;
  return `${heading}\n${tree(
    root,
    (node) => stepLine(node, layout),
    (node) => node.children,
  )}`;
}

function stepLine(node: WorkflowNode, layout: Layout): string {
  const where = node.executor === null ? '' : ` on ${shortNode(node.executor, layout)}`;
  const why = node.error === null ? '' : `: ${terminalLine(node.error.message)} (${node.error.code})`;
  return `${node.requestedCapability}  ${coloured(statusText(node.status, node.error), layout)}${where}${why}  ${node.id ?? ''}`.trimEnd();
}
