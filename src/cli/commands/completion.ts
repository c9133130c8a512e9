import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { command } from '../command.ts';
import { argChoice } from '../option.ts';

/** The script of a shell, and what that script asks at each press of the tabulator key. */
export const completion = [
  command({
    name: 'completion',
    about: 'a completion script for your shell',
    args: [argChoice('<shell>', 'which one', ['bash', 'zsh', 'fish'])],
    examples: ['source <(capsule completion bash)', 'capsule completion fish | source'],
    async run(cli, _, shell) {
      const { SCRIPTS } = await import('../completion-scripts.ts');
      cli.content(SCRIPTS[shell]);
    },
  }),
  (program: Command, cli: Cli): Command =>
    program
      .command('complete', { hidden: true })
      .description('candidates for the last of the words, one a line')
      .argument('[words...]')
      .action(async (words: string[]) => {
        const { complete } = await import('../complete.ts');
        for (const line of await complete(cli.io, program, words)) cli.content(`${line}\n`);
      }),
];
