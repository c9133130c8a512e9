import type { Command } from 'commander';
import { type Cli, withExample } from '../cli.ts';
import { findNode, type NodeOptions, withNode } from '../target.ts';

export function addConsole(program: Command, cli: Cli): void {
  const console = program
    .command('console')
    .description('a fresh address of the console; each works once, within an hour')
    .option('--no-open', 'only print it');
  withExample(withNode(console), 'capsule console').action(
    async ({ open, ...options }: NodeOptions & { open: boolean }) => {
      const client = await findNode(cli.io, options);
      const { code, url } = await client.request<{ code: string; url: string }>('/api/session-codes', {
        method: 'POST',
      });
      cli.answer(options, { code, url }, () => url);
      // For a person at a terminal; whoever reads a pipe opens it where they like.
      if (open && !options.json && cli.io.stdout.isTTY) cli.io.openInBrowser(url);
    },
  );
}
