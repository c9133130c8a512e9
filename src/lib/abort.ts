import { MeshError } from './errors.ts';

/** Why `signal` was aborted, as an error with a code: its own reason where that has one, else `cancelled`. */
export function abortError(signal: AbortSignal): MeshError {
  const reason: unknown = signal.reason;
  if (reason instanceof MeshError) return reason;
  return new MeshError('cancelled', 'The work was cancelled.', undefined, { cause: reason });
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal);
}

/**
 * Settles as `promise` does, or rejects with `abortError` as soon as `signal` aborts, whichever is first. What
 * `promise` does afterwards is ignored, a rejection included.
 */
export function raceAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(abortError(signal));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    const release = (): void => signal.removeEventListener('abort', onAbort);
    promise.then(
      (value) => {
        release();
        resolve(value);
      },
      (error: unknown) => {
        release();
        reject(error);
      },
    );
  });
}

/** Aborts `controller` with the parent's reason when `parent` aborts. Returns the way to let go of the parent. */
export function follow(controller: AbortController, parent: AbortSignal | undefined): () => void {
  if (parent === undefined) return () => {};
  const onAbort = (): void => controller.abort(abortError(parent));
  if (parent.aborted) onAbort();
  else parent.addEventListener('abort', onAbort, { once: true });
  return () => parent.removeEventListener('abort', onAbort);
}
