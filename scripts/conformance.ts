/**
 * Runs the archive format's vectors, ours and those of every folder named, and says which hold:
 * `node scripts/conformance.ts [FOLDER…] [--json] [--only NAME]`. Exits 1 when a vector fails or a folder is not there, 2
 * for arguments that make no sense. `--fuzz SECONDS` runs the fuzzer instead, for that long.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Results, reasonOf } from './conformance/results.ts';
import { runFolder } from './conformance/run.ts';
import { json, table } from './conformance/table.ts';

const OWN = join('protocols', 'archive', 'v1', 'vectors');
const root = fileURLToPath(new URL('..', import.meta.url));

const USAGE = 'Usage: npm run conformance -- [FOLDER…] [--json] [--only NAME] | --fuzz SECONDS';

async function run(folders: readonly string[], only: string | undefined, asJson: boolean): Promise<number> {
  const all = new Results();
  await runFolder(all, join(root, OWN), OWN);
  for (const folder of folders) {
    try {
      await runFolder(all, folder, folder);
    } catch (error) {
      all.add(folder, '(folder)', 'a folder of vectors', reasonOf(error));
    }
  }
  const results = only === undefined ? all : all.only(only);
  process.stdout.write(asJson ? json(results) : table(results));
  if (results.outcomes.length === 0) {
    process.stderr.write(`No vector is named ${JSON.stringify(only)}.\n`);
    return 1;
  }
  return results.failed === 0 ? 0 : 1;
}

async function main(args: readonly string[]): Promise<number> {
  const options = { json: { type: 'boolean' }, only: { type: 'string' }, fuzz: { type: 'string' } } as const;
  let parsed: ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>;
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    process.stderr.write(`${reasonOf(error)}\n${USAGE}\n`);
    return 2;
  }
  const { values, positionals } = parsed;
  return run(positionals, values.only, values.json === true);
}

process.exitCode = await main(process.argv.slice(2));
