import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median } from './measure.ts';

const COMMAND = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
const STARTS = 5;
/** Long enough for start-up's garbage to be collected and for the first advertisement and probes to be over. */
const IDLE_MS = 10_000;

export interface StartFigures {
  readySeconds: number;
  idleMegabytes: number;
}

/** The built command with every built-in capability: from spawn to the line that says it is ready, and idle memory. */
export async function benchStart(): Promise<StartFigures> {
  const seconds: number[] = [];
  let idleMegabytes = Number.NaN;
  for (let start = 0; start < STARTS; start++) {
    const directory = await mkdtemp(join(tmpdir(), 'capsule-bench-'));
    const args = [
      'start',
      '--data',
      directory,
      '--api',
      '127.0.0.1:0',
      '--listen',
      '/ip4/127.0.0.1/tcp/0',
      '--no-mdns',
    ];
    const begun = performance.now();
    const child = spawn(process.execPath, [COMMAND, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
    await once(child.stdout, 'data');
    seconds.push((performance.now() - begun) / 1000);
    if (start === STARTS - 1) {
      await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
      idleMegabytes = await residentMegabytes(child.pid);
    }
    child.kill('SIGTERM');
    await once(child, 'exit');
    await rm(directory, { recursive: true, force: true });
  }
  return { readySeconds: median(seconds), idleMegabytes };
}

/** Resident set of a process, read from the kernel; NaN where there is no /proc. */
async function residentMegabytes(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(status) ?? [];
  return kilobytes === undefined ? Number.NaN : Number(kilobytes) / 1024;
}
