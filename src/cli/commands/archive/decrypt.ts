import { chunksOf } from '../../../archive/source.ts';
import { checkOutputs, writeWhole } from '../../archive-files.ts';
import type { Cli } from '../../cli.ts';
import { usage } from '../../failure.ts';
import type { Values } from '../../option.ts';
import { withOpened } from './open.ts';
import type { DECRYPT } from './options.ts';
import { oneLine } from './text.ts';

/** Verifies an encrypted archive at L3 and writes the plain one inside as it is, signatures and all. */
export async function decrypt(cli: Cli, options: Values<typeof DECRYPT>, file: string): Promise<void> {
  await checkOutputs([options.out], options.force);
  const done = await withOpened(cli, file, options, async (opened, signal) => {
    if (opened.decryption === null) throw usage(`${file} is not encrypted; there is nothing to decrypt.`);
    const { container, manifest } = opened;
    await writeWhole(options.out, options, async (sink) => {
      for await (const chunk of chunksOf(container.source, 0, container.source.size)) {
        signal.throwIfAborted();
        await sink(chunk);
      }
    });
    return { file: options.out, file_size_bytes: container.source.size, capsule_id: manifest.id };
  });
  if (done === undefined) return;
  cli.answer(
    options,
    done,
    () => `Decrypted to ${oneLine(done.file)} (${String(done.file_size_bytes)} bytes), verified at L3.`,
  );
}
