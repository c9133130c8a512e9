import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  exportIdentity,
  importIdentity,
  loadIdentity,
  loadOrCreateIdentity,
} from '../../../src/daemon/identity-file.ts';
import { MeshError } from '../../../src/lib/errors.ts';

const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const crypto = {
  randomBytes: (length: number): Uint8Array => randomBytes(length),
  publicKey(seed: Uint8Array): Uint8Array {
    const key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
    return createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);
  },
};

let directory: string;
let path: string;
beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'capsule-identity-')), 'data');
  path = join(directory, 'identity.json');
});
afterEach(() => rm(join(directory, '..'), { recursive: true }));

async function codeOf(work: Promise<unknown>): Promise<string> {
  const outcome = await work.catch((error: unknown) => error);
  return outcome instanceof MeshError ? outcome.code : `resolved: ${JSON.stringify(outcome)}`;
}
const modeOf = async (file: string) => ((await stat(file)).mode & 0o777).toString(8);

describe('first start', () => {
  it('makes a key that only its owner can read, and finds it again', async () => {
    const first = await loadOrCreateIdentity(directory, { crypto });
    expect(first.created).toBe(true);
    expect(first.identity).toBe(Buffer.from(crypto.publicKey(first.seed)).toString('hex'));
    expect(await modeOf(path)).toBe('600');
    expect(await modeOf(directory)).toBe('700');
    expect(await readdir(directory)).toEqual(['identity.json']);
    const second = await loadOrCreateIdentity(directory, { crypto });
    expect(second).toMatchObject({ identity: first.identity, created: false });
    expect(Buffer.from(second.seed).equals(first.seed)).toBe(true);
  });

  it('gives every one of several that start at once the same key', async () => {
    const all = await Promise.all(
      Array.from({ length: 8 }, () => loadOrCreateIdentity(directory, { crypto })),
    );
    expect(new Set(all.map(({ identity }) => identity)).size).toBe(1);
    expect(all.filter(({ created }) => created)).toHaveLength(1);
    expect(await readdir(directory)).toEqual(['identity.json']);
  });

  it('says so where the directory cannot be made', async () => {
    await mkdir(directory);
    await writeFile(join(directory, 'file'), '');
    expect(await codeOf(loadOrCreateIdentity(join(directory, 'file', 'data'), { crypto }))).toBe(
      'data_dir_unwritable',
    );
  });
});

describe('a file that must not be used', () => {
  it('is one that others can read; the message has the command that mends it', async () => {
    await loadOrCreateIdentity(directory, { crypto });
    await chmod(path, 0o640);
    const error = await loadOrCreateIdentity(directory, { crypto }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining(`chmod 600 ${path}`),
    });
    await chmod(path, 0o600);
    await expect(loadOrCreateIdentity(directory, { crypto })).resolves.toBeDefined();
  });

  it.each([
    ['empty', ''],
    ['not JSON', '{'],
    ['another version', '{"version":2,"identity":"","seed":""}'],
  ])('is %s, and it stays as it is', async (_name, text) => {
    await mkdir(directory);
    await writeFile(path, text, { mode: 0o600 });
    expect(await codeOf(loadOrCreateIdentity(directory, { crypto }))).toBe('config_invalid');
    expect(await readFile(path, 'utf8')).toBe(text);
  });

  it('has a key that is not its identity’s', async () => {
    await loadOrCreateIdentity(directory, { crypto });
    const file = JSON.parse(await readFile(path, 'utf8'));
    await writeFile(path, JSON.stringify({ ...file, seed: '00'.repeat(32) }));
    expect(await codeOf(loadOrCreateIdentity(directory, { crypto }))).toBe('config_invalid');
  });
});

describe('a passphrase', () => {
  it('opens what it sealed, and nothing else does', async () => {
    const made = await loadOrCreateIdentity(directory, { crypto, passphrase: 'correct horse' });
    const text = await readFile(path, 'utf8');
    expect(text).not.toContain(Buffer.from(made.seed).toString('hex'));
    const again = await loadOrCreateIdentity(directory, { crypto, passphrase: 'correct horse' });
    expect(Buffer.from(again.seed).equals(made.seed)).toBe(true);
    expect(await codeOf(loadOrCreateIdentity(directory, { crypto, passphrase: 'wrong' }))).toBe(
      'unauthorized',
    );
    expect(await codeOf(loadOrCreateIdentity(directory, { crypto }))).toBe('unauthorized');
  });

  it('protects the identity beside the seed', async () => {
    await loadOrCreateIdentity(directory, { crypto, passphrase: 'p' });
    const file = JSON.parse(await readFile(path, 'utf8'));
    await writeFile(path, JSON.stringify({ ...file, identity: 'ab'.repeat(32) }));
    expect(await codeOf(loadIdentity(directory, { crypto, passphrase: 'p' }))).toBe('unauthorized');
  });
});

describe('export and import', () => {
  it('carry the identity to another directory', async () => {
    const made = await loadOrCreateIdentity(directory, { crypto });
    const text = await exportIdentity(directory, { crypto, exportPassphrase: 'travel' });
    expect(text).not.toContain(Buffer.from(made.seed).toString('hex'));
    const other = join(directory, 'other');
    expect(await codeOf(importIdentity(other, text, { crypto }))).toBe('unauthorized');
    expect(await importIdentity(other, text, { crypto, passphrase: 'travel' })).toMatchObject({
      identity: made.identity,
    });
    expect(await loadIdentity(other, { crypto, passphrase: 'travel' })).toMatchObject({
      identity: made.identity,
    });
    expect(await modeOf(join(other, 'identity.json'))).toBe('600');
  });

  it('never replace an identity unasked', async () => {
    await loadOrCreateIdentity(directory, { crypto });
    const kept = await readFile(path, 'utf8');
    const other = join(directory, 'other');
    const imported = await loadOrCreateIdentity(other, { crypto });
    const text = await exportIdentity(other, { crypto });
    expect(await codeOf(importIdentity(directory, text, { crypto }))).toBe('conflict');
    expect(await readFile(path, 'utf8')).toBe(kept);
    await importIdentity(directory, text, { crypto, replace: true });
    expect(await loadIdentity(directory, { crypto })).toMatchObject({ identity: imported.identity });
  });

  it('need something to export, and a file that can be understood', async () => {
    expect(await codeOf(exportIdentity(directory, { crypto }))).toBe('not_found');
    expect(await codeOf(importIdentity(directory, 'nonsense', { crypto }))).toBe('config_invalid');
    expect(await loadIdentity(directory, { crypto })).toBeUndefined();
  });
});
