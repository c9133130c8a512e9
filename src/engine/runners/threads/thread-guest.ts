import { enableCompileCache } from 'node:module';
import { getHeapStatistics } from 'node:v8';
import { parentPort, workerData } from 'node:worker_threads';
import { Guest, type GuestComponents } from '../guest.ts';
import type { ThreadData } from './thread-channel.ts';

/** The room's side of the wall in the thread that calls this, for its program. */
export function threadGuest(parts: Pick<GuestComponents, 'load' | 'api'>): Guest {
  const { compileCache }: ThreadData = workerData;
  if (compileCache !== undefined) enableCompileCache(compileCache);
  const guest = new Guest({
    ...parts,
    post: (text) => parentPort?.postMessage(text),
    use: () => {
      const { user, system } = process.threadCpuUsage();
      const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
      return { cpuMs: (user + system) / 1_000, memoryBytes: heap + external };
    },
  });
  // Rejections that nobody handles come here too.
  process.on('uncaughtException', (error) => guest.fault(error));
  parentPort?.on('message', (text: string) => guest.receive(text));
  return guest;
}
