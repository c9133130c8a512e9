import { openFileSource, platformCrypto, verifyArchive } from '../../src/archive/node.ts';

/* `node archive-verifier.ts FILE`: verifies it and prints the peak resident memory of this process in megabytes. */
const KILOBYTES_PER_MEGABYTE = 1_000_000 / 1_024;

await using source = await openFileSource(process.argv[2] ?? '');
const { ok, findings } = await verifyArchive({ crypto: platformCrypto }, source);
if (!ok) throw new Error(`It does not verify: ${JSON.stringify(findings)}`);
process.stdout.write(`${String(process.resourceUsage().maxRSS / KILOBYTES_PER_MEGABYTE)}\n`);
