import { describe, expect, it } from 'vitest';
import { Parallelism } from '../../../src/engine/models/parallelism.ts';

/** A server that works on so many at once: of `rounds` answers, with as many open as the limit allows. */
function answered(learning: Parallelism, atOnce: number, rounds: number): void {
  const waiting: ReturnType<Parallelism['begin']>[] = [];
  const flowing: ReturnType<Parallelism['begin']>[] = [];
  for (let round = 0; round < rounds; round++) {
    while (waiting.length + flowing.length < learning.limit) waiting.push(learning.begin());
    while (flowing.length < atOnce && waiting.length > 0) {
      const next = waiting.shift();
      next?.flows();
      if (next !== undefined) flowing.push(next);
    }
    flowing.shift()?.end();
  }
  for (const each of [...waiting, ...flowing]) each.end();
}

describe('how many requests a model server is sent at once', () => {
  it.each([1, 2, 3, 8])('is what it works on at once: %i', (atOnce) => {
    const learning = new Parallelism();
    answered(learning, atOnce, 60);
    expect(learning.limit).toBe(atOnce);
  });

  it('has an upper bound', () => {
    const learning = new Parallelism();
    answered(learning, 1_000, 100);
    expect(learning.limit).toBe(16);
  });

  it('grows again when the server does', () => {
    const learning = new Parallelism();
    answered(learning, 1, 20);
    answered(learning, 3, 200);
    expect(learning.limit).toBe(3);
  });

  it('learns nothing from requests that never filled it, or that failed', () => {
    const learning = new Parallelism();
    for (let round = 0; round < 20; round++) {
      const one = learning.begin();
      one.flows();
      one.end();
      for (const each of Array.from({ length: 6 }, () => learning.begin())) each.end();
    }
    expect(learning.limit).toBe(4);
  });
});
