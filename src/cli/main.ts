#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

/** Oldest Node.js that libp2p runs on. */
const OLDEST_MAJOR = 22;

// Everything else is imported after this check: an older Node.js would fail on an import and say something obscure.
if (Number.parseInt(process.versions.node, 10) < OLDEST_MAJOR) {
  process.stderr.write(
    `capsule: Node.js ${String(OLDEST_MAJOR)} or newer is needed; this is ${process.version}. (usage)\n` +
      'In a checkout, `npm start` and `npm run capsule -- <command>` bring their own.\n',
  );
  process.exitCode = 2;
} else {
  // Beside what it is made from: whoever could put something there could change the program itself.
  enableCompileCache(fileURLToPath(new URL('../../.cache', import.meta.url)));
  const { runCli } = await import('./program.ts');
  const { processIo } = await import('./io.ts');
  process.exitCode = await runCli(process.argv.slice(2), processIo());
}
