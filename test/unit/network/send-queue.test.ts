import { describe, expect, it } from 'vitest';
import { SendQueue } from '../../../src/network/send-queue.ts';

const queueOf = (maxFrames = 10, maxBytes = 1_000): SendQueue => new SendQueue({ maxFrames, maxBytes });
const frame = (length: number, fill = 1): Uint8Array => new Uint8Array(length).fill(fill);

function drainAll(queue: SendQueue, maxBytes: number): number[][] {
  const writes: number[][] = [];
  while (queue.size > 0) queue.drain(maxBytes, (bytes) => writes.push([...bytes]));
  return writes;
}

describe('the send queue', () => {
  it('joins frames up to the size of a write, in order', async () => {
    const queue = queueOf();
    const sent = [1, 2, 3, 4].map((fill) => queue.push(frame(2, fill)));
    expect(drainAll(queue, 5)).toEqual([
      [1, 1, 2, 2],
      [3, 3, 4, 4],
    ]);
    await expect(Promise.all(sent)).resolves.toHaveLength(4);
  });

  it('writes a frame that is longer than a write alone', async () => {
    const queue = queueOf();
    const sent = [queue.push(frame(9, 1)), queue.push(frame(1, 2))];
    expect(drainAll(queue, 4).map((bytes) => bytes.length)).toEqual([9, 1]);
    await Promise.all(sent);
  });

  it('refuses with busy what is too many or too much, and takes more when there is room', async () => {
    const queue = queueOf(2, 100);
    const first = queue.push(frame(60));
    await expect(queue.push(frame(41))).rejects.toMatchObject({ code: 'busy' });
    const second = queue.push(frame(40));
    await expect(queue.push(new Uint8Array(0))).rejects.toMatchObject({ code: 'busy' });
    queue.drain(60, () => {});
    await first;
    const third = queue.push(frame(60));
    drainAll(queue, 1_000);
    await Promise.all([second, third]);
    expect(queue.size).toBe(0);
  });

  it('forgets a frame that is aborted while it waits, and its room', async () => {
    const queue = queueOf(1);
    const controller = new AbortController();
    const aborted = queue.push(frame(2, 1), controller.signal);
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'cancelled' });
    const next = queue.push(frame(2, 2));
    expect(drainAll(queue, 100)).toEqual([[2, 2]]);
    await next;
  });

  it('ignores an abort after the frame was taken', async () => {
    const queue = queueOf();
    const controller = new AbortController();
    const sent = queue.push(frame(1), controller.signal);
    drainAll(queue, 100);
    controller.abort();
    await expect(sent).resolves.toBeUndefined();
  });

  it('rejects what a failed write took, and keeps the rest', async () => {
    const queue = queueOf();
    const [lost, kept] = [queue.push(frame(4, 1)), queue.push(frame(4, 2))];
    queue.drain(4, () => {
      throw new Error('closed');
    });
    await expect(lost).rejects.toMatchObject({ code: 'interrupted' });
    expect(drainAll(queue, 100)).toEqual([[2, 2, 2, 2]]);
    await kept;
  });

  it('fails everything at once', async () => {
    const queue = queueOf();
    const sent = [queue.push(frame(1)), queue.push(frame(1))];
    queue.fail(new Error('gone'));
    for (const promise of sent) await expect(promise).rejects.toThrow('gone');
    expect(queue.size).toBe(0);
    queue.drain(10, () => expect.unreachable());
  });
});
