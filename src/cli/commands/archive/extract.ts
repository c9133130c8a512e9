import { resolve } from 'node:path';
import { streamEntry } from '../../../archive/zip/content.ts';
import { unpack } from '../../archive-tree.ts';
import type { Cli } from '../../cli.ts';
import { plural } from '../../format.ts';
import type { Values } from '../../option.ts';
import { components, lookInto } from './open.ts';
import type { EXTRACT } from './options.ts';
import { Progress } from './progress.ts';
import { byteCount, oneLine } from './text.ts';

/** Unpacks an archive, or with a key its encrypted content, below a directory and nowhere else. */
export function extract(
  cli: Cli,
  options: Values<typeof EXTRACT>,
  file: string,
  directory: string,
): Promise<void> {
  return lookInto(cli, file, options, async ({ outer, plain }) => {
    if (plain === null) cli.note('The content is encrypted and stays so; --key FILE unpacks what is inside.');
    const container = plain?.container ?? outer;
    const target = resolve(directory);
    const entries = [...container.entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
    const files = entries.map(({ path, size }) => ({ path, size }));
    const total = files.reduce((sum, { size }) => sum + size, 0);
    const progress = new Progress(cli, 'Extracting', total);
    const done = await cli.interruptible(
      (signal) =>
        unpack(
          target,
          entries.map(({ path }) => path),
          {
            force: options.force === true,
            signal,
            write: async (path, sink) => {
              const entry = container.entries.get(path);
              if (entry !== undefined)
                await streamEntry(components, container, entry, progress.counting(sink), signal);
            },
          },
        )
          .then(() => true)
          .finally(() => progress.end()),
      () => 'Interrupted: nothing was extracted.',
    );
    if (done === undefined) return;
    cli.answer(options, { directory: target, files, total_bytes: total }, () =>
      [
        ...files.map(({ path, size }) => `  wrote ${oneLine(path).padEnd(48)} ${byteCount(size)}`),
        `extracted ${plural(files.length, 'file')} (${byteCount(total)}) to ${oneLine(target)}`,
      ].join('\n'),
    );
  });
}
