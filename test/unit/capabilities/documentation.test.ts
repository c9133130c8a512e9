import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { request, resultOf, startedEngine } from '../../support/engine.ts';

const page = await readFile(new URL('../../../docs/capabilities.md', import.meta.url), 'utf8');

/** The code block that follows the line with the file's name. */
function example(file: string): string {
  const block = new RegExp(
    `^\`capabilities/greet/${file}\`\\n\\n\`\`\`\\w+\\n([\\s\\S]*?)^\`\`\`$`,
    'm',
  ).exec(page);
  if (block?.[1] === undefined) throw new Error(`docs/capabilities.md has no example of ${file}`);
  return block[1];
}

it('the capability that the documentation shows runs as it is', async () => {
  const root = await mkdtemp(join(tmpdir(), 'capability-'));
  const folder = join(root, 'greet');
  await mkdir(folder);
  for (const file of ['manifest.json', 'index.ts']) await writeFile(join(folder, file), example(file));
  const { engine } = await startedEngine({ modules: [{ folder }] });
  try {
    const greet = async () => resultOf(await engine.handleIntent(request('greet.hello', { name: 'Ada' })));
    expect(await greet()).toEqual({ greeting: 'Hello, Ada.', count: 1 });
    expect(await greet()).toEqual({ greeting: 'Hello, Ada.', count: 2 });
  } finally {
    await engine.stop();
    await rm(root, { recursive: true });
  }
});
