import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import type { Crypto } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';
import { ensureDirectory } from '../store/data-directory.ts';
import { createPrivateFile, readPrivateFile, writePrivateFile } from './private-file.ts';

const TOKEN_FILE = 'api-token';
const ADDRESS_FILE = 'api.json';
const TOKEN_BYTES = 32;

/** Where the running node's API is, and which process it is. */
const ApiAddress = Type.Object({
  url: Type.String({ pattern: '^https?://' }),
  pid: Type.Integer({ minimum: 1 }),
});
export type ApiAddress = Static<typeof ApiAddress>;

/** The bearer token of the data directory, made at first start: 64 hex characters, mode 0600. */
export async function loadOrCreateToken(
  directory: string,
  crypto: Pick<Crypto, 'randomBytes'>,
): Promise<string> {
  const found = await readToken(directory);
  if (found !== undefined) return found;
  await ensureDirectory(directory);
  const token = Buffer.from(crypto.randomBytes(TOKEN_BYTES)).toString('hex');
  if (await createPrivateFile(join(directory, TOKEN_FILE), `${token}\n`)) return token;
  const winner = await readToken(directory);
  if (winner === undefined)
    throw new MeshError('conflict', `${join(directory, TOKEN_FILE)} vanished while starting.`);
  return winner;
}

/** What the command line sends; undefined where no node has started in this directory yet. */
export async function readToken(directory: string): Promise<string | undefined> {
  const path = join(directory, TOKEN_FILE);
  const token = (await readPrivateFile(path))?.trim();
  if (token === undefined || /^[0-9a-f]{64}$/.test(token)) return token;
  throw new MeshError(
    'config_invalid',
    `${path} does not hold a token; remove it and start the node again.`,
    { path },
  );
}

/** Tells the command line where the API listens. */
export async function writeApiAddress(directory: string, address: ApiAddress): Promise<void> {
  await writePrivateFile(join(directory, ADDRESS_FILE), `${JSON.stringify(address)}\n`);
}

/** Undefined where no node runs, or the file cannot be understood. It may be stale after a crash. */
export async function readApiAddress(directory: string): Promise<ApiAddress | undefined> {
  const text = await readPrivateFile(join(directory, ADDRESS_FILE));
  if (text === undefined) return undefined;
  try {
    const address: unknown = JSON.parse(text);
    return Value.Check(ApiAddress, address) ? address : undefined;
  } catch {
    return undefined;
  }
}

/** After a clean stop. Fine where there is none. */
export async function removeApiAddress(directory: string): Promise<void> {
  await rm(join(directory, ADDRESS_FILE), { force: true });
}
