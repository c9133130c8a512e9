import { chunksOf } from '../../../archive/source.ts';
import { checkOutputs, writeWhole } from '../../archive-files.ts';
import type { Cli, OutputOptions } from '../../cli.ts';
import { usage } from '../../failure.ts';
import { type ReadingOptions, readingOptions } from './keys.ts';
import { openVerified, withSource } from './open.ts';
import { oneLine } from './text.ts';

export interface DecryptOptions extends OutputOptions, ReadingOptions {
  key: string;
  out: string;
  force?: boolean;
}

/** Verifies an encrypted archive at L3 and writes the plain one inside as it is, signatures and all. */
export async function decrypt(cli: Cli, file: string, options: DecryptOptions): Promise<void> {
  const force = options.force === true;
  await checkOutputs([options.out], force);
  const reading = await readingOptions(cli.io, options);
  const done = await cli.interruptible(
    (signal) =>
      withSource(cli, file, async (source) => {
        const opened = await openVerified(source, { ...reading, signal });
        if (opened.decryption === null) throw usage(`${file} is not encrypted; there is nothing to decrypt.`);
        const { container, manifest } = opened;
        await writeWhole(options.out, { force }, async (sink) => {
          for await (const chunk of chunksOf(container.source, 0, container.source.size)) {
            signal.throwIfAborted();
            await sink(chunk);
          }
        });
        return { file: options.out, file_size_bytes: container.source.size, capsule_id: manifest.id };
      }),
    () => 'Interrupted: nothing was written.',
  );
  if (done === undefined) return;
  cli.answer(
    options,
    done,
    () => `Decrypted to ${oneLine(done.file)} (${String(done.file_size_bytes)} bytes), verified at L3.`,
  );
}
