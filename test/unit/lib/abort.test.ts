import { describe, expect, it } from 'vitest';
import { abortError, follow, raceAbort, throwIfAborted } from '../../../src/lib/abort.ts';
import { MeshError } from '../../../src/lib/errors.ts';

const timeout = new MeshError('timeout', 'It took too long.');

describe('abortError', () => {
  it('keeps a reason that has a code', () => {
    expect(abortError(AbortSignal.abort(timeout))).toBe(timeout);
  });

  it('names anything else a cancellation, with the reason as the cause', () => {
    const error = abortError(AbortSignal.abort('because'));
    expect(error).toMatchObject({ code: 'cancelled', cause: 'because' });
  });
});

describe('raceAbort', () => {
  it('settles as the promise does', async () => {
    const { signal } = new AbortController();
    expect(await raceAbort(Promise.resolve(1), signal)).toBe(1);
    await expect(raceAbort(Promise.reject(new Error('broken')), signal)).rejects.toThrow('broken');
  });

  it('rejects at once when the signal aborts, though the promise never settles', async () => {
    const controller = new AbortController();
    const race = raceAbort(new Promise(() => {}), controller.signal);
    controller.abort(timeout);
    await expect(race).rejects.toBe(timeout);
    await expect(raceAbort(new Promise(() => {}), controller.signal)).rejects.toBe(timeout);
  });

  it('ignores a rejection after the abort', async () => {
    const late = Promise.withResolvers<void>();
    const controller = new AbortController();
    const race = raceAbort(late.promise, controller.signal);
    controller.abort(timeout);
    await expect(race).rejects.toBe(timeout);
    late.reject(new Error('too late to matter'));
  });
});

describe('follow', () => {
  it('aborts with the reason of the parent, also of one aborted before', () => {
    const parent = new AbortController();
    const child = new AbortController();
    follow(child, parent.signal);
    parent.abort(timeout);
    expect(child.signal.reason).toBe(timeout);
    const second = new AbortController();
    follow(second, parent.signal);
    expect(second.signal.reason).toBe(timeout);
  });

  it('lets go of the parent', () => {
    const parent = new AbortController();
    const child = new AbortController();
    const release = follow(child, parent.signal);
    release();
    parent.abort();
    expect(child.signal.aborted).toBe(false);
    expect(() => throwIfAborted(child.signal)).not.toThrow();
  });
});
