import { createCipheriv, createDecipheriv, scrypt } from 'node:crypto';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { closed, Identity } from '../../protocols/common/v1/schema.ts';
import type { Crypto } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';
import { type JsonLimits, parseJson } from '../lib/json.ts';
import { ensureDirectory } from '../store/data-directory.ts';
import { createPrivateFile, readPrivateFile, writePrivateFile } from './private-file.ts';

const IDENTITY_FILE = 'identity.json';
/** A protected identity has a few hundred bytes, and one object inside. */
const FILE_LIMITS: JsonLimits = { maxBytes: 16_384, maxDepth: 2 };
const SEED_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SALT_BYTES = 16;
/** scrypt cost for a passphrase: 2^15 with r 8 takes 32 MiB and about 0.1 s, once per start. */
const SCRYPT = { N: 32_768, r: 8, p: 1 } as const;
const CIPHER = 'chacha20-poly1305';

const hex = (bytes: number) => Type.String({ pattern: `^[0-9a-f]{${String(bytes * 2)}}$` });

const IdentityFile = Type.Object(
  {
    version: Type.Literal(1),
    /** 64-hex Ed25519 public key; authenticated together with the sealed seed. */
    identity: Identity,
    seed: Type.Union([
      hex(SEED_BYTES),
      Type.Object(
        {
          kdf: Type.Literal('scrypt'),
          N: Type.Literal(SCRYPT.N),
          r: Type.Literal(SCRYPT.r),
          p: Type.Literal(SCRYPT.p),
          salt: hex(SALT_BYTES),
          cipher: Type.Literal(CIPHER),
          nonce: hex(NONCE_BYTES),
          ciphertext: hex(SEED_BYTES + TAG_BYTES),
        },
        closed,
      ),
    ]),
  },
  closed,
);
type IdentityFile = Static<typeof IdentityFile>;
type SealedSeed = Exclude<IdentityFile['seed'], string>;

export interface NodeIdentity {
  /** 64-hex Ed25519 public key. */
  identity: string;
  /** The 32-byte Ed25519 seed. Never logged, never sent. */
  seed: Uint8Array;
}

type KeyMaker = Pick<Crypto, 'publicKey' | 'randomBytes'>;

export interface IdentityOptions {
  crypto: KeyMaker;
  /** Opens a protected file, and protects one that is made. */
  passphrase?: string;
}

/**
 * The node's key from `<directory>/identity.json`, made at first start with mode 0600. Throws `config_invalid` for
 * a file that others can read or that is damaged, `unauthorized` for a missing or wrong passphrase.
 */
export async function loadOrCreateIdentity(
  directory: string,
  options: IdentityOptions,
): Promise<NodeIdentity & { created: boolean }> {
  const found = await loadIdentity(directory, options);
  if (found !== undefined) return { ...found, created: false };
  await ensureDirectory(directory);
  const seed = options.crypto.randomBytes(SEED_BYTES);
  const text = await encode(seed, options.crypto, options.passphrase);
  if (await createPrivateFile(join(directory, IDENTITY_FILE), text)) {
    return { identity: identityOf(seed, options.crypto), seed, created: true };
  }
  const winner = await loadIdentity(directory, options);
  if (winner === undefined) throw new MeshError('conflict', `${IDENTITY_FILE} vanished while starting.`);
  return { ...winner, created: false };
}

/** Undefined where the directory has no identity yet. Same errors as `loadOrCreateIdentity`. */
export async function loadIdentity(
  directory: string,
  options: IdentityOptions,
): Promise<NodeIdentity | undefined> {
  const path = join(directory, IDENTITY_FILE);
  const text = await readPrivateFile(path);
  return text === undefined ? undefined : decode(text, path, options);
}

/** The file's text, to keep elsewhere; protected by `exportPassphrase` where one is given. Throws `not_found`. */
export async function exportIdentity(
  directory: string,
  options: IdentityOptions & { exportPassphrase?: string },
): Promise<string> {
  const found = await loadIdentity(directory, options);
  if (found === undefined) throw new MeshError('not_found', `There is no identity in ${directory}.`);
  return encode(found.seed, options.crypto, options.exportPassphrase);
}

/**
 * Puts an exported identity in place, protected as it was. Throws `conflict` where there is one already, unless
 * `replace`: a node's receipts and credits belong to its key.
 */
export async function importIdentity(
  directory: string,
  text: string,
  options: IdentityOptions & { replace?: boolean },
): Promise<NodeIdentity> {
  const imported = await decode(text, 'The identity to import', options);
  const path = join(directory, IDENTITY_FILE);
  await ensureDirectory(directory);
  const protectedText = await encode(imported.seed, options.crypto, options.passphrase);
  if (options.replace === true) await writePrivateFile(path, protectedText);
  else if (!(await createPrivateFile(path, protectedText))) {
    throw new MeshError('conflict', `${path} exists; replacing it would abandon that identity.`, { path });
  }
  return imported;
}

async function decode(text: string, name: string, options: IdentityOptions): Promise<NodeIdentity> {
  const file = parse(text);
  if (file === undefined) {
    throw new MeshError('config_invalid', `${name} is not an identity file of version 1.`, { path: name });
  }
  const seed =
    typeof file.seed === 'string'
      ? Buffer.from(file.seed, 'hex')
      : await unseal(file.seed, file.identity, name, options.passphrase);
  if (identityOf(seed, options.crypto) !== file.identity) {
    throw new MeshError('config_invalid', `${name} is damaged: its key does not belong to its identity.`, {
      path: name,
    });
  }
  return { identity: file.identity, seed };
}

function parse(text: string): IdentityFile | undefined {
  try {
    const value: unknown = parseJson(text, FILE_LIMITS);
    return Value.Check(IdentityFile, value) ? value : undefined;
  } catch {
    return undefined;
  }
}

async function encode(seed: Uint8Array, crypto: KeyMaker, passphrase: string | undefined): Promise<string> {
  const identity = identityOf(seed, crypto);
  const file: IdentityFile = {
    version: 1,
    identity,
    seed: passphrase === undefined ? toHex(seed) : await seal(seed, identity, passphrase, crypto),
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}

async function seal(
  seed: Uint8Array,
  identity: string,
  passphrase: string,
  crypto: KeyMaker,
): Promise<SealedSeed> {
  const salt = crypto.randomBytes(SALT_BYTES);
  const nonce = crypto.randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, await deriveKey(passphrase, salt), nonce, {
    authTagLength: TAG_BYTES,
  });
  cipher.setAAD(Buffer.from(identity, 'hex'), { plaintextLength: seed.length });
  const ciphertext = Buffer.concat([cipher.update(seed), cipher.final(), cipher.getAuthTag()]);
  return {
    kdf: 'scrypt',
    ...SCRYPT,
    salt: toHex(salt),
    cipher: CIPHER,
    nonce: toHex(nonce),
    ciphertext: toHex(ciphertext),
  };
}

async function unseal(
  sealed: SealedSeed,
  identity: string,
  name: string,
  passphrase: string | undefined,
): Promise<Uint8Array> {
  if (passphrase === undefined) {
    throw new MeshError('unauthorized', `${name} is protected by a passphrase, and none was given.`);
  }
  const key = await deriveKey(passphrase, Buffer.from(sealed.salt, 'hex'));
  const bytes = Buffer.from(sealed.ciphertext, 'hex');
  const decipher = createDecipheriv(CIPHER, key, Buffer.from(sealed.nonce, 'hex'), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(Buffer.from(identity, 'hex'), { plaintextLength: SEED_BYTES });
  decipher.setAuthTag(bytes.subarray(SEED_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(0, SEED_BYTES)), decipher.final()]);
  } catch (error) {
    throw new MeshError('unauthorized', `The passphrase does not open ${name}.`, undefined, { cause: error });
  }
}

function deriveKey(passphrase: string, salt: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // Node's default ceiling of 32 MiB is just below what these parameters take.
    const options = { ...SCRYPT, maxmem: 64 * 1024 * 1024 };
    scrypt(passphrase.normalize('NFKC'), salt, 32, options, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
}

function identityOf(seed: Uint8Array, crypto: KeyMaker): string {
  return toHex(crypto.publicKey(seed));
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
