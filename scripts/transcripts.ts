/**
 * Runs the commands that a page shows (`test/support/transcript.ts`) with the built program, and pastes what they print:
 * `node scripts/transcripts.ts README.md`. What is shown with parts left out (`…`) stays where it still holds.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isAsShown, rerun, shownIn, Terminal } from '../test/support/transcript.ts';

const PROGRAM = join(import.meta.dirname, '../dist/src/cli/main.js');

const [, , file] = process.argv;
if (file === undefined) throw new Error('Which page?');
let page = await readFile(file, 'utf8');
await using terminal = await Terminal.open(PROGRAM);
for (const { command, output, meant, printed } of await rerun(terminal, shownIn(page))) {
  const shown = output.join('\n');
  const inParts = output.length > 1 && output.includes('…');
  if (inParts && isAsShown({ output, printed })) continue;
  if (inParts) process.stderr.write(`no longer as shown in parts: ${command}\n`);
  page = page.replace(`$ ${command}\n${shown}`, () => `$ ${meant}\n${printed.join('\n')}`);
}
await writeFile(file, page);
