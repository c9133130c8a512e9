import { describe, expect, it } from 'vitest';
import { MeshError } from '../../../src/lib/errors.ts';
import { type Lane, WorkQueue } from '../../../src/lib/queue.ts';

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A queue whose tasks end when the test says so. */
function bench(init: Partial<ConstructorParameters<typeof WorkQueue>[0]> = {}) {
  const queue = new WorkQueue({ concurrency: 2, maxWaiting: 4, maxWaitingPerLane: 4, ...init });
  const started: string[] = [];
  const gates = new Map<string, PromiseWithResolvers<void>>();
  const add = (name: string, lane: Lane, signal?: AbortSignal): Promise<string> => {
    const gate = Promise.withResolvers<void>();
    gates.set(name, gate);
    return queue.run(
      lane,
      async () => {
        started.push(name);
        await gate.promise;
        return name;
      },
      signal ? { signal } : {},
    );
  };
  const finish = async (name: string): Promise<void> => {
    gates.get(name)?.resolve();
    await settle();
  };
  return { queue, started, add, finish, gates };
}

const lane = (key: string, concurrency = 8): Lane => ({ key, concurrency });

describe('WorkQueue', () => {
  it('starts at once while there are slots, and then in order of arrival', async () => {
    const { queue, started, add, finish } = bench();
    const all = ['a', 'b', 'c', 'd'].map((name) => add(name, lane('x')));
    await settle();
    expect(started).toEqual(['a', 'b']);
    expect([queue.running, queue.size]).toEqual([2, 4]);
    await finish('b');
    expect(started).toEqual(['a', 'b', 'c']);
    for (const name of ['a', 'c', 'd']) await finish(name);
    expect(await Promise.all(all)).toEqual(['a', 'b', 'c', 'd']);
    expect([queue.running, queue.size, queue.sizeOf('x')]).toEqual([0, 0, 0]);
  });

  it('holds a lane to its own limit and lets other lanes pass it', async () => {
    const { queue, started, add, finish } = bench();
    const all = [add('s1', lane('slow', 1)), add('s2', lane('slow', 1)), add('f1', lane('fast'))];
    await settle();
    expect(started).toEqual(['s1', 'f1']);
    expect(queue.sizeOf('slow')).toBe(2);
    await finish('f1');
    expect(started).toEqual(['s1', 'f1']);
    await finish('s1');
    expect(started).toEqual(['s1', 'f1', 's2']);
    await finish('s2');
    await Promise.all(all);
  });

  it('gives waiting lanes turns', async () => {
    const { started, add, finish } = bench({ concurrency: 1, maxWaiting: 8 });
    const names = ['first', 'a1', 'a2', 'a3', 'b1', 'b2'];
    const all = names.map((name) => add(name, lane(name[0] ?? '')));
    for (let turn = 0; turn < names.length; turn++) {
      await settle();
      await finish(started.at(-1) ?? '');
    }
    await Promise.all(all);
    expect(started).toEqual(['first', 'a1', 'b1', 'a2', 'b2', 'a3']);
  });

  it('refuses with busy when full, over all lanes and for one lane', async () => {
    const { queue, add, gates } = bench({ concurrency: 1, maxWaiting: 2, maxWaitingPerLane: 1 });
    const running = add('a', lane('x'));
    const waiting = add('b', lane('x'));
    expect(queue.hasRoom(lane('x'))).toBe(false);
    expect(queue.hasRoom(lane('y'))).toBe(true);
    await expect(add('refused', lane('x'))).rejects.toMatchObject({ code: 'busy' });
    const other = add('c', lane('y'));
    expect(queue.load).toBe(1);
    await expect(add('refused too', lane('z'))).rejects.toMatchObject({ code: 'busy' });
    for (const gate of gates.values()) gate.resolve();
    await Promise.all([running, waiting, other]);
    expect(queue.load).toBe(0);
    expect(queue.hasRoom(lane('x'))).toBe(true);
  });

  it('drops a waiting task when its signal aborts, and takes another in its place', async () => {
    const { queue, started, add, finish } = bench({ concurrency: 1, maxWaiting: 1 });
    const running = add('a', lane('x'));
    const controller = new AbortController();
    const dropped = add('b', lane('x'), controller.signal);
    controller.abort(new MeshError('timeout', 'Too late.'));
    await expect(dropped).rejects.toMatchObject({ code: 'timeout', message: 'Too late.' });
    expect(queue.size).toBe(1);
    const next = add('c', lane('x'));
    await finish('a');
    expect(started).toEqual(['a', 'c']);
    await finish('c');
    await Promise.all([running, next]);
  });

  it('does not start a task whose signal is aborted already', async () => {
    const { queue, started, add } = bench();
    await expect(add('a', lane('x'), AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' });
    expect(started).toEqual([]);
    expect(queue.size).toBe(0);
  });

  it('frees the slot of a task that throws', async () => {
    const queue = new WorkQueue({ concurrency: 1, maxWaiting: 1, maxWaitingPerLane: 1 });
    const failing = queue.run(lane('x'), async () => {
      throw new Error('broken');
    });
    const next = queue.run(lane('x'), async () => 'ran');
    await expect(failing).rejects.toThrow('broken');
    expect(await next).toBe('ran');
    expect(queue.size).toBe(0);
  });
});
