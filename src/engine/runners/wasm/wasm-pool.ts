import type { Logger } from 'pino';
import { follow } from '../../../lib/abort.ts';
import type { Clock } from '../../../lib/clock.ts';
import { MeshError } from '../../../lib/errors.ts';
import { PAGE_BYTES } from '../../../wasm/limits.ts';
import type { Availability } from '../../capability.ts';
import { WASM_THREAD_PROGRAM } from '../../thread-program.ts';
import { Room, type RoomCode } from '../room.ts';
import { RoomSet } from '../room-set.ts';
import type { CallRequest, LoadedModule, ModuleCode, ProbeRequest, Run, Runner } from '../runner.ts';
import { ThreadChannel } from '../threads/thread-channel.ts';
import { wasmOf } from './wasm-of.ts';

/** For loading one module: compiling the largest takes seconds on a slow machine. */
const LOAD_MS = 20_000;
/** Milliseconds between abort and kill: code in WebAssembly hears of no signal, so this is for an answer on its way. */
const GRACE_MS = 10;
/** Of a thread's memory that of a module; a quarter more may be its input and output, and the rest is the engine's. */
const MODULE_SHARE = 0.5;
const BYTES_PER_MB = 1_048_576;

/** What its threads are told beside what all are. */
export interface WasmThreadData {
  readonly bell: Int32Array<SharedArrayBuffer>;
  readonly memoryPages: number;
}

export interface WasmPoolComponents {
  clock: Clock;
  log: Pick<Logger, 'warn'>;
  /** Asks the built-in module what it offers; without it modules in JavaScript are not run here. */
  probes?: Runner;
}

export interface WasmPoolInit {
  /** Runs at once; one more where the owner's own work waits. */
  rooms: number;
  /** Megabytes of one thread; a module's memory has half of them. */
  memoryMb: number;
  /** Milliseconds that the code may run, where it is less than the engine gives. */
  timeLimit?: (request: CallRequest) => number | undefined;
}

/** Threads for modules in WebAssembly, one run in each at a time: what does not end is killed alone. */
export class WasmPool implements Runner {
  readonly kind = 'wasm';
  readonly #components: WasmPoolComponents;
  readonly #init: WasmPoolInit;
  readonly #set: RoomSet;

  constructor(components: WasmPoolComponents, init: WasmPoolInit) {
    this.#components = components;
    this.#init = init;
    const { clock } = components;
    const { memoryMb } = init;
    const memoryPages = Math.floor((MODULE_SHARE * memoryMb * BYTES_PER_MB) / PAGE_BYTES);
    const open = (onRetired: () => void): Room => {
      const bell = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
      const data: WasmThreadData = { bell, memoryPages };
      const channel = new ThreadChannel({ clock }, { memoryMb, program: WASM_THREAD_PROGRAM, data, bell });
      return new Room({ ...components, channel }, { graceMs: GRACE_MS, loadMs: LOAD_MS, onRetired });
    };
    this.#set = new RoomSet({ clock, open }, { rooms: init.rooms + 1, perRoom: 1 });
  }

  async start(code: ModuleCode): Promise<LoadedModule> {
    const { id, codeHash, from } = code;
    if (!('folder' in from)) throw new MeshError('config_invalid', `The module ${id} lies in no folder.`);
    const room: RoomCode = { id, codeHash, from };
    const { probes } = this.#components;
    const parts = { ...this.#init, clock: this.#components.clock, set: this.#set };
    if (wasmOf(from.files.map(([path]) => path)) === undefined && probes !== undefined)
      return new WasmModule(room, { ...parts, probing: await probes.start(code) });
    await this.#set.load(room);
    return new WasmModule(room, { ...parts, probing: undefined });
  }

  async stop(): Promise<void> {
    await this.#set.stop(new MeshError('interrupted', 'The node stopped before the work was done.'));
  }
}

interface WasmModuleParts extends WasmPoolInit {
  clock: Pick<Clock, 'after'>;
  set: RoomSet;
  probing: LoadedModule | undefined;
}

class WasmModule implements LoadedModule {
  readonly closed = null;
  readonly hasProbe: boolean;
  readonly slots: LoadedModule['slots'];
  readonly #code: RoomCode;
  readonly #parts: WasmModuleParts;

  constructor(code: RoomCode, parts: WasmModuleParts) {
    this.#code = code;
    this.#parts = parts;
    this.hasProbe = parts.probing?.hasProbe ?? false;
    this.slots = { key: 'wasm', concurrency: parts.rooms + 1 };
  }

  call(request: CallRequest): Run<unknown> {
    const { set, clock, timeLimit } = this.#parts;
    const controller = new AbortController();
    const release = follow(controller, request.signal);
    let stopTimer = (): void => {};
    const run = set.run(this.#code, controller.signal, (room) => {
      const limit = timeLimit?.(request);
      if (limit !== undefined) {
        stopTimer = clock.after(limit, () =>
          controller.abort(
            new MeshError('timeout', `The module was not done within its limit of ${limit} ms.`),
          ),
        );
      }
      return room.call(this.#code.id, { ...request, signal: controller.signal });
    });
    void run.ended.then(() => {
      stopTimer();
      release();
    });
    return run;
  }

  probe(request: ProbeRequest): Run<Availability> {
    const { probing } = this.#parts;
    if (probing === undefined) throw new TypeError('A module in WebAssembly has no probe.');
    return probing.probe(request);
  }

  kill(reason: MeshError): void {
    this.#parts.set.kill(this.#code.id, reason);
    this.#parts.probing?.kill(reason);
  }
}
