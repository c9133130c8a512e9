import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  loadOrCreateToken,
  readApiAddress,
  readToken,
  removeApiAddress,
  writeApiAddress,
} from '../../../src/daemon/token-file.ts';

const crypto = { randomBytes: (length: number): Uint8Array => randomBytes(length) };
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'capsule-token-'));
});
afterEach(() => rm(directory, { recursive: true }));

it('makes a token once, for its owner only', async () => {
  expect(await readToken(directory)).toBeUndefined();
  const token = await loadOrCreateToken(directory, crypto);
  expect(token).toMatch(/^[0-9a-f]{64}$/);
  expect((await stat(join(directory, 'api-token'))).mode & 0o777).toBe(0o600);
  expect(await loadOrCreateToken(directory, crypto)).toBe(token);
  expect(await readToken(directory)).toBe(token);
});

it('gives all that start at once the same token', async () => {
  const tokens = await Promise.all(Array.from({ length: 8 }, () => loadOrCreateToken(directory, crypto)));
  expect(new Set(tokens).size).toBe(1);
});

it('takes a token that an editor put a byte order mark before, and refuses one in UTF-16', async () => {
  const token = await loadOrCreateToken(directory, crypto);
  await writeFile(join(directory, 'api-token'), `\ufeff${token}\r\n`);
  expect(await readToken(directory)).toBe(token);
  await writeFile(join(directory, 'api-token'), token, 'utf16le');
  await expect(readToken(directory)).rejects.toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining('api-token is in UTF-16'),
  });
});

it('refuses a token that others can read, and one that is none', async () => {
  await loadOrCreateToken(directory, crypto);
  await chmod(join(directory, 'api-token'), 0o644);
  await expect(readToken(directory)).rejects.toMatchObject({ code: 'config_invalid' });
  await chmod(join(directory, 'api-token'), 0o600);
  await writeFile(join(directory, 'api-token'), 'short\n');
  await expect(loadOrCreateToken(directory, crypto)).rejects.toMatchObject({ code: 'config_invalid' });
});

it('tells where the API is until the node stops', async () => {
  expect(await readApiAddress(directory)).toBeUndefined();
  await writeApiAddress(directory, { url: 'http://127.0.0.1:4480', pid: 7 });
  await writeApiAddress(directory, { url: 'http://127.0.0.1:4481', pid: 8 });
  expect(await readApiAddress(directory)).toEqual({ url: 'http://127.0.0.1:4481', pid: 8 });
  await removeApiAddress(directory);
  await removeApiAddress(directory);
  expect(await readApiAddress(directory)).toBeUndefined();
});

it.each(['', '{', '{"url":"x"}', '{"url":"file:///etc/passwd","pid":1}'])(
  'takes %j for no address',
  async (text) => {
    await writeFile(join(directory, 'api.json'), text, { mode: 0o600 });
    expect(await readApiAddress(directory)).toBeUndefined();
  },
);
