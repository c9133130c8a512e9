import type { Clock } from '../lib/clock.ts';
import { MeshError } from '../lib/errors.ts';
import type { Standing } from '../lib/queue.ts';

/** Milliseconds. */
export interface RunTimes {
  /** That code may run where its caller says nothing; what streams may be silent for so long. */
  defaultTimeoutMs: number;
  maxTimeoutMs: number;
  /** What a stranger's code may have at most. */
  strangerTimeoutMs: number;
}

/** What streams is judged by its silence where its caller names no limit: text that flows is cut by the maxima alone. */
export function timeFor(
  { defaultTimeoutMs, maxTimeoutMs, strangerTimeoutMs }: RunTimes,
  run: { streaming: boolean; standing: Standing; timeoutMs: number | undefined },
): TimeLimitInit {
  const most = run.standing === 'stranger' ? Math.min(maxTimeoutMs, strangerTimeoutMs) : maxTimeoutMs;
  if (run.timeoutMs === undefined && run.streaming) return { totalMs: most, silenceMs: defaultTimeoutMs };
  return { totalMs: Math.min(run.timeoutMs ?? defaultTimeoutMs, most), silenceMs: undefined };
}

export interface TimeLimitInit {
  /** Milliseconds that the work may take in all. */
  totalMs: number;
  /** Milliseconds that may pass without progress; undefined where only the total counts. */
  silenceMs: number | undefined;
}

/** Ends work that takes too long, or that nothing is heard of. */
export class TimeLimit {
  readonly #clock: Pick<Clock, 'monotonic' | 'after'>;
  readonly #init: TimeLimitInit;
  readonly #onOver: (reason: MeshError) => void;
  readonly #began: number;
  #heard: number;
  #cancel: () => void = () => {};
  over = false;

  constructor(
    clock: Pick<Clock, 'monotonic' | 'after'>,
    init: TimeLimitInit,
    onOver: (reason: MeshError) => void,
  ) {
    this.#clock = clock;
    this.#init = init;
    this.#onOver = onOver;
    this.#began = clock.monotonic();
    this.#heard = this.#began;
    this.#arm();
  }

  /** Something was heard of the work. Cheap: it may be every word of a fast model. */
  hear(): void {
    this.#heard = this.#clock.monotonic();
  }

  stop(): void {
    this.#cancel();
  }

  #arm(): void {
    const now = this.#clock.monotonic();
    const { totalMs, silenceMs = Number.POSITIVE_INFINITY } = this.#init;
    const total = this.#began + totalMs - now;
    const silence = this.#heard + silenceMs - now;
    if (total > 0 && silence > 0) {
      this.#cancel = this.#clock.after(Math.min(total, silence), () => this.#arm());
      return;
    }
    this.over = true;
    const message =
      total > 0 && this.#heard > this.#began
        ? `Nothing was heard of the work for ${silenceMs} ms.`
        : `The work was not done within ${total > 0 ? silenceMs : totalMs} ms.`;
    this.#onOver(new MeshError('timeout', message));
  }
}
