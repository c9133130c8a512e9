import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { RunUse } from '../../../../protocols/receipt/v1/schema.ts';
import type { Clock } from '../../../lib/clock.ts';
import { MeshError } from '../../../lib/errors.ts';
import { THREAD_PROGRAM } from '../../thread-program.ts';
import type { Channel, ChannelListener, Meter } from '../channel.ts';

/** How often the memory of a thread is looked at while something runs in it. */
const SAMPLE_MS = 100;
const BYTES_PER_MB = 1_048_576;

export interface ThreadChannelInit {
  /** Of its heap, and of what lies beside it, such as buffers. */
  memoryMb: number;
  /** What runs in it; the one for modules in folders unless told. */
  program?: URL;
  /** More for the program. */
  data?: object;
  /** A number that is counted up with each message, for a thread that waits without turns of its loop. */
  bell?: Int32Array<SharedArrayBuffer>;
}

/** What the program of a thread is told at its start. */
export interface ThreadData {
  /** A folder of compiled code, where the node has one: a thread has no environment that could tell. */
  readonly compileCache: string | undefined;
}

/** A thread of this process that has no environment and writes nowhere. */
export class ThreadChannel implements Channel {
  readonly #worker: Worker;
  readonly #clock: Pick<Clock, 'after'>;
  readonly #memoryMb: number;
  readonly #meters = new Set<ThreadMeter>();
  #cancelSample = (): void => {};
  readonly #bell: ThreadChannelInit['bell'];
  #why: MeshError | undefined;
  #open = true;

  constructor(components: { clock: Pick<Clock, 'after'> }, init: ThreadChannelInit) {
    const { memoryMb, program = THREAD_PROGRAM, data, bell } = init;
    this.#bell = bell;
    this.#clock = components.clock;
    this.#memoryMb = memoryMb;
    this.#worker = new Worker(program, {
      workerData: { ...data, compileCache: compileCache() } satisfies ThreadData,
      env: {},
      argv: [],
      execArgv: [],
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: memoryMb },
    });
    // What the code prints goes nowhere; unread it would fill the memory.
    this.#worker.stdout.resume();
    this.#worker.stderr.resume();
    this.#worker.unref();
  }

  listen(listener: ChannelListener): void {
    this.#worker.on('message', (text: unknown) => {
      // The code can reach the port itself, and send anything.
      if (this.#open) listener.message(typeof text === 'string' ? text : '');
    });
    this.#worker.on('error', (error) => {
      if (isOutOfMemory(error)) this.#why ??= this.#tooLarge();
    });
    this.#worker.on('exit', () => {
      this.#open = false;
      this.#cancelSample();
      listener.closed(this.#why ?? new MeshError('internal', 'The code ended the room that it ran in.'));
    });
  }

  post(text: string): void {
    if (!this.#open) return;
    this.#worker.postMessage(text);
    if (this.#bell === undefined) return;
    Atomics.add(this.#bell, 0, 1);
    Atomics.notify(this.#bell, 0);
  }

  kill(): void {
    this.#open = false;
    void this.#worker.terminate();
  }

  meter(spent: number): Meter {
    const meter = new ThreadMeter(this.#worker, spent, () => this.#meters.delete(meter));
    this.#meters.add(meter);
    if (this.#meters.size === 1) this.#sampleLater();
    return meter;
  }

  #sampleLater(): void {
    this.#cancelSample();
    this.#cancelSample = this.#clock.after(SAMPLE_MS, () => void this.#sample());
  }

  async #sample(): Promise<void> {
    if (!this.#open || this.#meters.size === 0) return;
    const bytes = await memoryOf(this.#worker);
    for (const meter of this.#meters) meter.sawMemory(bytes);
    // The engine bounds its heap only, and buffers lie beside it.
    if (bytes > this.#memoryMb * BYTES_PER_MB) {
      this.#why ??= this.#tooLarge();
      this.kill();
    } else this.#sampleLater();
  }

  #tooLarge(): MeshError {
    return new MeshError(
      'too_large',
      `The work takes more memory than a run may have here: ${this.#memoryMb} MB.`,
    );
  }
}

/** The folder that was given; the engine adds one for its version. */
function compileCache(): string | undefined {
  const folder = getCompileCacheDir();
  return folder && dirname(folder);
}

class ThreadMeter implements Meter {
  readonly #worker: Worker;
  readonly #done: () => void;
  readonly #spent: number;
  #peak = 0;

  constructor(worker: Worker, spent: number, done: () => void) {
    this.#worker = worker;
    this.#spent = spent;
    this.#done = done;
  }

  sawMemory(bytes: number): void {
    this.#peak = Math.max(this.#peak, bytes);
  }

  finish(reported: RunUse | null): RunUse | null {
    this.#done();
    if (reported === null) return null;
    const { cpuMs, peakMemoryBytes } = reported;
    return {
      cpuMs,
      peakMemoryBytes: peakMemoryBytes === null ? null : Math.max(peakMemoryBytes, this.#peak),
    };
  }

  async read(): Promise<RunUse> {
    const [total, memory] = await Promise.all([cpuOf(this.#worker), memoryOf(this.#worker)]);
    this.sawMemory(memory);
    const cpuMs = total === null ? null : Math.max(0, Math.round(total - this.#spent));
    return { cpuMs, peakMemoryBytes: this.#peak };
  }
}

/** Bytes; 0 of a thread that has ended. Asked of the engine itself, so that it answers for one that is blocked too. */
async function memoryOf(worker: Worker): Promise<number> {
  const statistics = await worker.getHeapStatistics().catch(() => undefined);
  return statistics === undefined ? 0 : statistics.used_heap_size + statistics.external_memory;
}

/** Milliseconds since it began; null of a thread that has ended. */
async function cpuOf(worker: Worker): Promise<number | null> {
  const usage = await worker.cpuUsage().catch(() => undefined);
  return usage === undefined ? null : (usage.user + usage.system) / 1_000;
}

const isOutOfMemory = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
