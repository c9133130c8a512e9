import type { Command } from 'commander';
import { type Cli, withExample, withJson } from '../../cli.ts';
import { bounded, integer } from '../../options.ts';
import type { ChainOptions } from './chain.ts';
import type { ExtractOptions } from './extract.ts';
import type { LookOptions } from './open.ts';

const MOST_EVENTS = 1_000_000;

/** What looks into an archive and says nothing about whether it is genuine. */
function looking(program: Command, name: string, description: string): Command {
  return bounded(program.command(name))
    .description(description)
    .argument('<file>', 'the .capsule file')
    .option('--key <file>', 'a recipient’s private key, to look into encrypted content')
    .addHelpText('after', `\nThis does not verify; for that: capsule verify FILE`);
}

export function addReading(program: Command, cli: Cli): void {
  const inspect = looking(program, 'inspect', 'one-screen overview of a capsule: header, counts, payload');
  withExample(withJson(inspect), 'capsule inspect report.capsule').action(
    async (file: string, options: LookOptions) => (await import('./inspect.ts')).inspect(cli, file, options),
  );

  const chain = looking(program, 'chain', 'list chain events').option(
    '--limit <n>',
    'only the first n',
    integer(0, MOST_EVENTS),
  );
  withExample(withJson(chain), 'capsule chain report.capsule --limit 10').action(
    async (file: string, options: ChainOptions) => (await import('./chain.ts')).chain(cli, file, options),
  );

  for (const name of ['manifest', 'envelope'] as const) {
    const path = name === 'manifest' ? 'manifest.json' : 'provenance/envelope.json';
    const command = looking(program, name, `print ${path}`);
    withExample(withJson(command), `capsule ${name} report.capsule`).action(
      async (file: string, options: LookOptions) =>
        (await import('./documents.ts')).printDocument(cli, file, options, name),
    );
  }

  for (const name of ['program', 'agents'] as const) {
    const command = looking(program, name, `print ${name}.md`);
    withExample(withJson(command), `capsule ${name} report.capsule`).action(
      async (file: string, options: LookOptions) =>
        (await import('./documents.ts')).printText(cli, file, options, name),
    );
  }

  const extract = looking(program, 'extract', 'unpack a capsule into a directory')
    .argument('<dir>', 'a directory that is empty or not there yet')
    .option('--force', 'also into one that is not empty; files of the same name are replaced');
  withExample(withJson(extract), 'capsule extract report.capsule report').action(
    async (file: string, directory: string, options: ExtractOptions) =>
      (await import('./extract.ts')).extract(cli, file, directory, options),
  );
}
