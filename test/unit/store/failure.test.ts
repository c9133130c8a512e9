import { describe, expect, it } from 'vitest';
import { MeshError } from '../../../src/lib/errors.ts';
import { isDiskFull, writeFailed } from '../../../src/store/failure.ts';

describe('isDiskFull', () => {
  it.each<[string, unknown, boolean]>([
    ['a code of the system', Object.assign(new Error('write'), { code: 'ENOSPC' }), true],
    ['a quota', Object.assign(new Error('write'), { code: 'EDQUOT' }), true],
    ['what LevelDB quotes', new Error('IO error: /d/000005.log: No space left on device'), true],
    ['a cause', new MeshError('internal', 'x', undefined, { cause: new Error('ENOSPC: write') }), true],
    ['another failure', Object.assign(new Error('write'), { code: 'EIO' }), false],
    ['no error at all', 'ENOSPC', false],
  ])('%s', (_name, error, full) => {
    expect(isDiskFull(error)).toBe(full);
  });

  it('ends where an error is its own cause', () => {
    const error = new Error('x');
    error.cause = error;
    expect(isDiskFull(error)).toBe(false);
  });
});

describe('writeFailed', () => {
  it('says what to do where the disk is full, and nothing of room where it is not', () => {
    expect(writeFailed(new Error('ENOSPC: write')).message).toMatch(/No room is left.*start the node again/);
    expect(writeFailed(new Error('EIO: write')).message).toBe('The store could not be written.');
  });
});
