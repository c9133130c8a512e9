import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { absolutePath, dataDirectory } from '../../../src/lib/home.ts';

afterEach(() => void vi.unstubAllEnvs());

describe('the data directory', () => {
  it('is the option, then CAPSULE_DATA, then CAPSULE_DATA_DIRECTORY; what is empty says nothing', () => {
    const env = { CAPSULE_DATA: '/env', CAPSULE_DATA_DIRECTORY: '/long' };
    expect(dataDirectory('here', env)).toBe(resolve('here'));
    expect(dataDirectory('', env)).toBe('/env');
    expect(dataDirectory(undefined, { ...env, CAPSULE_DATA: '' })).toBe('/long');
  });

  it('is below the home directory, also where that is written as ~', () => {
    vi.stubEnv('HOME', '/home/ada');
    expect(dataDirectory(undefined, {})).toBe('/home/ada/.capsule');
    expect(dataDirectory(undefined, { CAPSULE_DATA: '~/mesh' })).toBe('/home/ada/mesh');
    expect(absolutePath('~')).toBe('/home/ada');
    expect(absolutePath('~ada')).toBe(resolve('~ada'));
  });

  it.each(['', '.'])('is that of the user database where HOME is "%s"', (home) => {
    vi.stubEnv('HOME', home);
    expect(dataDirectory(undefined, {})).toBe(join(userInfo().homedir, '.capsule'));
  });
});
