import { Argument, type Command } from 'commander';
import { type Cli, withExample } from '../cli.ts';

const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const;

/** The script of a shell, and what that script asks at each press of the tabulator key. */
export function addCompletion(program: Command, cli: Cli): void {
  withExample(
    program
      .command('completion')
      .description('a completion script for your shell')
      .addArgument(new Argument('<shell>', 'which one').choices(SHELLS)),
    'source <(capsule completion bash)',
    'capsule completion fish | source',
  ).action(async (shell: string) => {
    const { SCRIPTS } = await import('../completion-scripts.ts');
    cli.content(SCRIPTS.get(shell) ?? '');
  });
  program
    .command('complete', { hidden: true })
    .description('candidates for the last of the words, one a line')
    .argument('[words...]')
    .action(async (words: string[]) => {
      const { complete } = await import('../complete.ts');
      for (const line of await complete(cli.io, program, words)) cli.content(`${line}\n`);
    });
}
