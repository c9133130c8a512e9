/**
 * Runs the archive format's vectors, ours and those of every folder named, and says which hold:
 * `node test/vectors/conformance.ts [FOLDER…] [--json] [--only NAME]`. Exits 1 when a vector fails or a folder is not there, 2
 * for arguments that make no sense. `--fuzz SECONDS` runs the fuzzer instead, for that long.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { seededRandom } from '../support/random.ts';
import { MAX_FUZZ_GROWTH_BYTES } from './conformance/fuzz.ts';
import { fuzzVectors } from './conformance/fuzz-run.ts';
import { Results, reasonOf } from './conformance/results.ts';
import { runFolder } from './conformance/run.ts';
import { json, table } from './conformance/table.ts';

const OWN = join('protocols', 'archive', 'v1', 'vectors');
const root = fileURLToPath(new URL('../..', import.meta.url));

/** Each is a whole archive in base64. */
const MAX_SHOWN_FAILURES = 10;
const USAGE = 'Usage: npm run conformance -- [FOLDER…] [--json] [--only NAME] | --fuzz SECONDS';

async function run(folders: readonly string[], only: string | undefined, asJson: boolean): Promise<number> {
  const all = new Results();
  const absent: { folder: string; reason: string }[] = [];
  await runFolder(all, join(root, OWN), OWN);
  for (const folder of folders) {
    try {
      await runFolder(all, folder, folder);
    } catch (error) {
      absent.push({ folder, reason: reasonOf(error) });
    }
  }
  const results = only === undefined ? all : all.only(only);
  const found = results.outcomes.length > 0;
  for (const { folder, reason } of absent)
    results.add(folder, '(folder)', 'a folder of vectors', reason, false);
  process.stdout.write(asJson ? json(results) : table(results));
  if (!found) process.stderr.write(`No vector is named ${JSON.stringify(only)}.\n`);
  return found && results.failed === 0 ? 0 : 1;
}

/** For so many seconds; another seed each time, which is told, so that a failure can be had again. */
async function runFuzzer(seconds: number): Promise<number> {
  const seed = Date.now() % 2 ** 31;
  const end = performance.now() + seconds * 1_000;
  const report = await fuzzVectors(join(root, OWN), seededRandom(seed), () => performance.now() < end);
  const { cases, opened, verified, failures, memoryGrowth } = report;
  for (const { problem, bytes } of failures.slice(0, MAX_SHOWN_FAILURES))
    process.stdout.write(`FAIL ${problem}\n${Buffer.from(bytes).toString('base64')}\n`);
  const megabytes = Math.ceil(memoryGrowth / 1_048_576);
  process.stdout.write(
    `seed ${String(seed)}: ${String(cases)} cases, ${String(opened)} readable, ${String(verified)} harmless, ` +
      `${String(megabytes)} MiB of memory\n${String(cases - failures.length)} passed, ${String(failures.length)} failed\n`,
  );
  if (memoryGrowth > MAX_FUZZ_GROWTH_BYTES) process.stdout.write('That is too much memory.\n');
  return failures.length === 0 && memoryGrowth <= MAX_FUZZ_GROWTH_BYTES ? 0 : 1;
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
  if (values.fuzz !== undefined) {
    const seconds = Number(values.fuzz);
    if (seconds > 0 && Number.isFinite(seconds) && positionals.length === 0) return runFuzzer(seconds);
    process.stderr.write(`--fuzz takes a number of seconds, and no folder.\n${USAGE}\n`);
    return 2;
  }
  return run(positionals, values.only, values.json === true);
}

process.exitCode = await main(process.argv.slice(2));
