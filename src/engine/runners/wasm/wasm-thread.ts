import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { CapabilityApi } from '../../capability.ts';
import { loadCode } from '../../code-loading.ts';
import { GuestApi } from '../guest-api.ts';
import type { GuestRun } from '../guest-run.ts';
import { threadGuest } from '../threads/thread-guest.ts';
import { hostFunctions, type Mail } from './host-functions.ts';
import { loadWasmFolder } from './wasm-folder.ts';
import { wasmOf } from './wasm-of.ts';
import type { WasmThreadData } from './wasm-pool.ts';

/* The program of a thread that runs WebAssembly (`wasm-pool.ts`). */

const { bell, memoryPages }: WasmThreadData = workerData;
const runs = new WeakMap<CapabilityApi, GuestRun>();

const take = (): boolean => {
  const received = parentPort === null ? undefined : receiveMessageOnPort(parentPort);
  if (received !== undefined) guest.receive(received.message);
  return received !== undefined;
};
const mail: Mail = {
  drain: () => {
    while (take());
  },
  wait: () => {
    for (;;) {
      // Read before the look into the mail: what comes in between rings, and is not waited for.
      const rung = Atomics.load(bell, 0);
      if (take()) return;
      Atomics.wait(bell, 0, rung);
    }
  },
};

const guest = threadGuest({
  load: ({ code, codeHash }) => {
    if (wasmOf(code.files.map(([path]) => path)) === undefined) return loadCode(code, codeHash);
    return loadWasmFolder(code, { memoryPages, host: hostOf });
  },
  api: (run) => {
    const api = new GuestApi(run);
    runs.set(api, run);
    return api;
  },
});

function hostOf(names: ReadonlySet<string>, api: CapabilityApi) {
  const run = runs.get(api);
  if (run === undefined) throw new TypeError('A plug-in runs within a run.');
  return hostFunctions(names, { api, run, mail });
}
