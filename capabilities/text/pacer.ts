import { setImmediate } from 'node:timers/promises';

/** Work between two pauses, in characters: some milliseconds of tagging. */
const STRETCH_CHARS = 4_096;
/** What a piece costs beside its length: many short list items take long too. */
const PIECE_OVERHEAD_CHARS = 100;

export type Pace = (chars: number) => Promise<void>;

/** Gives way to the node's other work as the text is worked through; rejects once `signal` is aborted. */
export function pacer(signal: AbortSignal): Pace {
  let done = 0;
  return async (chars) => {
    done += chars + PIECE_OVERHEAD_CHARS;
    if (done < STRETCH_CHARS) return;
    done = 0;
    await setImmediate();
    signal.throwIfAborted();
  };
}
