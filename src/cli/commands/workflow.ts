import type { Command } from 'commander';
import type { Page } from '../../store/types.ts';
import type { Workflow, WorkflowNode } from '../../workflow/types.ts';
import { type Cli, withExample } from '../cli.ts';
import { plural, safeText, shortNode, statusText, time, tree } from '../format.ts';
import { hexId, type PageOptions, pageQuery, withNext, withPage } from '../options.ts';
import { findNode, type NodeOptions, withNode } from '../target.ts';

export function addWorkflow(program: Command, cli: Cli): void {
  const workflow = program.command('workflow').description('chains of capsules as trees');
  withExample(workflow, 'capsule workflow list');

  const list = workflow.command('list').description('workflows, newest first');
  withExample(withNode(withPage(list)), 'capsule workflow list --limit 5').action(
    async (options: NodeOptions & PageOptions) => {
      const client = await findNode(cli.io, options);
      const page = await client.request<Page<Workflow>>('/api/workflows', {
        query: pageQuery(options),
      });
      cli.answer(options, page, () =>
        withNext(page.items.map(showWorkflow).join('\n\n') || 'No workflows.', page.cursor),
      );
    },
  );

  const show = workflow
    .command('show')
    .description('one workflow with the status of each step')
    .argument('<id>', 'any capsule of it', hexId);
  withExample(withNode(show), 'capsule workflow show 3fa1…').action(
    async (id: string, options: NodeOptions) => {
      const client = await findNode(cli.io, options);
      const answer = await client.request<Workflow>(`/api/workflows/${id}`);
      cli.answer(options, answer, () => showWorkflow(answer));
    },
  );
}

function showWorkflow({ status, receivedAt, steps, tree: root }: Workflow): string {
  const heading = `${time(receivedAt)} UTC  ${status}, ${plural(steps, 'step')}`;
  return `${heading}\n${tree(root, stepLine, (node) => node.children)}`;
}

function stepLine(node: WorkflowNode): string {
  const where = node.executor === null ? '' : ` on ${shortNode(node.executor)}`;
  const why = node.error === null ? '' : `: ${safeText(node.error.message)} (${node.error.code})`;
  return `${node.requestedCapability}  ${statusText(node.status)}${where}${why}  ${node.id ?? ''}`.trimEnd();
}
