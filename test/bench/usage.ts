import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { JournaledDisk } from '../../src/store/journaled-disk.ts';
import type { Usage } from './measure.ts';

/*
 * What a process used, for itself and asked from its parent. A message on the channel between the two is one of the
 * measured round trips' only before and after them.
 */

const QUESTION = 'usage';

let rows = 0;
const write = JournaledDisk.prototype.write;
JournaledDisk.prototype.write = function count(this: JournaledDisk, writes) {
  rows += writes.length;
  return write.call(this, writes);
};

export function ownUsage(): Usage {
  const { user, system } = process.cpuUsage();
  return { processorMs: (user + system) / 1000, rows };
}

/** In a child: answers its parent from now on. */
export function answerUsage(): void {
  process.on('message', (message) => {
    if (message === QUESTION) process.send?.(ownUsage());
  });
}

/** A process of a bench, which ends when it is disconnected. */
export class BenchProcess<Ready> {
  readonly child: ChildProcess;
  readonly ready: Ready;
  #answered: Promise<unknown> = Promise.resolve();

  private constructor(child: ChildProcess, ready: Ready) {
    this.child = child;
    this.ready = ready;
  }

  /** Resolves with the first message that it sends, after it was sent `first`. */
  static async begin<Ready>(
    url: URL,
    { args = [], first }: { args?: string[]; first?: string } = {},
  ): Promise<BenchProcess<Ready>> {
    const child = fork(url, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    if (first !== undefined) child.send(first);
    const [ready] = (await once(child, 'message')) as [Ready];
    return new BenchProcess(child, ready);
  }

  /** Of this process and the other together. */
  async usage(): Promise<Usage> {
    const theirs = await this.otherUsage();
    const own = ownUsage();
    return { processorMs: own.processorMs + theirs.processorMs, rows: own.rows + theirs.rows };
  }

  /** One question after the other: answers do not say which they are of. */
  otherUsage(): Promise<Usage> {
    const usage = this.#answered.then(async () => {
      const answered = once(this.child, 'message');
      this.child.send(QUESTION);
      const [theirs] = (await answered) as [Usage];
      return theirs;
    });
    this.#answered = usage;
    return usage;
  }

  async stop(): Promise<void> {
    const exited = once(this.child, 'exit');
    this.child.disconnect();
    await exited;
  }
}
