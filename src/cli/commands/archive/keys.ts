import type { VerifyOptions } from '../../../archive/types.ts';
import { fromHex } from '../../../lib/hex.ts';
import { usage } from '../../failure.ts';
import { readText } from '../../files.ts';
import type { CliIo } from '../../io.ts';
import type { Values } from '../../option.ts';
import type { BOUNDS } from '../../options.ts';

/** Bytes of a key file: 64 characters, with room for line ends. */
const KEY_FILE_BYTES = 1024;
/** An allowlist of 10,000 keys with their comments fits. */
const ALLOWLIST_BYTES = 1_048_576;

const HEX_KEY = /^[0-9a-f]{64}$/;

/** What is wrong with something that should have been a key. */
function keyProblem(text: string): string {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return 'is in uppercase; keys are lowercase hex';
  if (/^[0-9a-fA-F]+$/.test(text)) return `has ${String(text.length)} hex characters; a key has 64`;
  return 'is not a key: 64 lowercase hex characters';
}

/** A public key as it was typed. Throws `usage`. */
export function publicKey(subject: string, text: string): string {
  if (HEX_KEY.test(text)) return text;
  throw usage(`${subject} ${keyProblem(text)}.`);
}

/** The key of a file that has nothing but it: 64 hex characters. Throws `usage`. */
async function keyOfFile(io: CliIo, file: string): Promise<string> {
  const text = (await readText(io, file, KEY_FILE_BYTES)).trim();
  if (HEX_KEY.test(text)) return text;
  throw usage(`The key in ${file} ${text === '' ? 'is missing' : keyProblem(text)}.`);
}

/** A 32-byte secret: an Ed25519 seed, or an X25519 secret. Throws `usage`. */
export async function readSecret(io: CliIo, file: string): Promise<Uint8Array> {
  return fromHex(await keyOfFile(io, file));
}

/** Options of whatever reads an archive. */
export type ReadingOptions = Partial<Values<typeof BOUNDS>> & { key?: string | undefined };

/** What opens encrypted content, and how large an archive may be, as the archive library takes them. */
export async function readingOptions(
  io: CliIo,
  { key, maxEntries, maxBytes }: ReadingOptions,
): Promise<Pick<VerifyOptions, 'recipientSecret' | 'limits'>> {
  const limits = { ...(maxEntries && { maxEntries }), ...(maxBytes && { maxTotalBytes: maxBytes }) };
  return { ...(key !== undefined && { recipientSecret: await readSecret(io, key) }), limits };
}

/** Of the three files that `capsule keygen` writes for a label, those that are not for --recipient. */
const OTHER_KEY_FILE = /\.(?:public|private)\.hex$/;

/**
 * Recipients, each a key or the name of a file that has it. Throws `usage`, also for the file of another key: what is
 * encrypted to the key that somebody signs with, nobody can read, and a private key would stand in the archive.
 */
export async function readRecipients(io: CliIo, values: readonly string[] = []): Promise<string[]> {
  const other = values.find((value) => OTHER_KEY_FILE.test(value));
  if (other !== undefined)
    throw usage(
      `${other} is not what is encrypted to.`,
      `The key for that is beside it: ${other.replace(OTHER_KEY_FILE, '.recipient.hex')}`,
    );
  const keys = await Promise.all(
    values.map((value) => (/^[0-9a-fA-F]{64}$/.test(value) ? value : keyOfFile(io, value))),
  );
  return [...new Set(keys.map((key) => publicKey(`The key ${key}`, key)))];
}

/** Keys from options and from a file: one a line, what follows it or `#` is a comment. Throws `usage`. */
export async function readAllowlist(
  io: CliIo,
  options: { allowlist: string[] | undefined; allowlistFile: string | undefined },
): Promise<string[]> {
  const typed = (options.allowlist ?? []).map((key) => publicKey(`The --allowlist entry ${key}`, key));
  if (options.allowlistFile === undefined) return typed;
  const file = options.allowlistFile;
  const lines = (await readText(io, file, ALLOWLIST_BYTES)).split(/\r?\n/);
  const listed = lines.flatMap((line, index) => {
    const [entry = ''] = line.replace(/#.*/, '').trim().split(/\s+/);
    return entry === '' ? [] : [publicKey(`Line ${String(index + 1)} of ${file}`, entry)];
  });
  if (listed.length === 0) throw usage(`There is no key in ${file}.`);
  return [...typed, ...listed];
}
