import { enableCompileCache } from 'node:module';
import { getHeapStatistics } from 'node:v8';
import { parentPort, workerData } from 'node:worker_threads';
import { loadCode } from '../../code-loading.ts';
import { Guest } from '../guest.ts';

/* The program of a thread that runs capabilities (`thread-channel.ts`). */

// A folder of compiled code, where the program has one: it has no environment that could tell.
if (typeof workerData === 'string') enableCompileCache(workerData);

const guest = new Guest({
  post: (text) => parentPort?.postMessage(text),
  load: ({ code, codeHash }) => loadCode(code, codeHash),
  use: () => {
    const { user, system } = process.threadCpuUsage();
    const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
    return { cpuMs: (user + system) / 1_000, memoryBytes: heap + external };
  },
});
// Rejections that nobody handles come here too.
process.on('uncaughtException', (error) => guest.fault(error));
parentPort?.on('message', (text: string) => guest.receive(text));
