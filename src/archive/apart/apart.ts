import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { abortError, throwIfAborted } from '../../lib/abort.ts';
import { MeshError } from '../../lib/errors.ts';
import { LayoutError } from '../layout-error.ts';
import { bytesSource } from '../source.ts';
import type { VerifyOptions } from '../types.ts';
import { openContainer } from '../zip/reader.ts';
import { type Answer, type Order, work } from './work.ts';

/** Unpacked. A thread takes a quarter of a second to start; the worst archive of this size takes a fifth of that. */
const LIGHT_BYTES = 262_144;
/** Of one thread; a chain of 64 MiB takes about half of it. */
const MAX_HEAP_MB = 512;
/** The thread's program, in the language that this one is in. */
const PROGRAM = new URL(`./worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url);

type Options = Order['options'] & Pick<VerifyOptions, 'signal'>;

/**
 * The report on an archive of anybody's, for hosts that have other work: all but small ones are taken to a thread of
 * their own, so that the worst of archives keeps that thread busy until `signal` aborts, and nothing else. Throws
 * `too_large` where it takes more memory than one archive gets.
 */
export async function verifyApart(
  bytes: Uint8Array,
  { signal, ...options }: Options = {},
): Promise<JsonObject> {
  throwIfAborted(signal);
  const order: Order = { bytes, options };
  const answer = (await isLight(order)) ? await work(order, signal) : await workInThread(order, signal);
  if ('value' in answer) return answer.value;
  const { code, message, detail } = answer.refused;
  throw new MeshError(code, message, detail);
}

/** Known from its headers, before anything is unpacked. */
async function isLight({ bytes }: Order): Promise<boolean> {
  if (bytes.length > LIGHT_BYTES) return false;
  try {
    await openContainer({}, bytesSource(bytes), { maxTotalBytes: LIGHT_BYTES });
    return true;
  } catch (error) {
    // Whatever else is wrong with it is known as quickly when it is verified.
    return error instanceof LayoutError && error.reason !== 'total_size_limit';
  }
}

async function workInThread(order: Order, signal: AbortSignal | undefined): Promise<Answer> {
  const bytes = new Uint8Array(order.bytes);
  const worker = new Worker(PROGRAM, {
    workerData: { ...order, bytes },
    transferList: [bytes.buffer],
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  });
  try {
    const [answer]: Answer[] = await once(worker, 'message', signal && { signal });
    if (answer === undefined) throw new TypeError('The thread gave no answer.');
    return answer;
  } catch (error) {
    if (signal?.aborted) throw abortError(signal);
    if (!isOutOfMemory(error)) throw error;
    throw new MeshError('too_large', 'The archive takes more memory than one may have here.');
  } finally {
    await worker.terminate();
  }
}

const isOutOfMemory = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
