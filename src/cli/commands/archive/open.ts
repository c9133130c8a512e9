import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { nodeArchiveCrypto } from '../../../archive/crypto/node-crypto.ts';
import { openFileSource } from '../../../archive/file-source.ts';
import { openArchive } from '../../../archive/open-verified.ts';
import { type ReadArchive, readArchive } from '../../../archive/read-unverified.ts';
import type { OpenedArchive, VerifyOptions } from '../../../archive/types.ts';
import { MeshError } from '../../../lib/errors.ts';
import type { Cli } from '../../cli.ts';
import { type CliError, usage } from '../../failure.ts';
import { openForReading } from '../../files.ts';
import { type ReadingOptions, readingOptions } from './keys.ts';
import type { LookOptions } from './options.ts';
import { CountedSource, Progress } from './progress.ts';

/** What the archive library needs, natively. */
export const components = { crypto: nodeArchiveCrypto };

/** What a ZIP without extensions can hold. */
const MAX_PIPED_BYTES = 4_294_967_294;

/** An archive as it is stored, with nothing in it verified. */
export interface Look extends ReadArchive {
  /** bytes */
  size: number;
}

/** Keeps an archive's file open while `use` runs. Throws `usage` where there is none to be read. */
export async function withSource<T>(
  cli: Cli,
  file: string,
  use: (source: CountedSource) => Promise<T>,
  doing = 'Verifying',
): Promise<T> {
  if (file === '-') return withStandardInput(cli, (spooled) => withSource(cli, spooled, use, doing));
  const source = await openFileSource(file).catch((error: unknown) => {
    throw isMeshId(file) ? notAFile(file) : error;
  });
  const progress = new Progress(cli, doing, source.size);
  try {
    return await use(new CountedSource(source, progress));
  } finally {
    progress.end();
    await source.close();
  }
}

/** An archive is read from its end, so what comes through a pipe is kept in a file meanwhile. */
async function withStandardInput<T>(cli: Cli, use: (file: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'capsule-'));
  try {
    const file = join(folder, 'standard-input.capsule');
    await pipeline(await openForReading(cli.io, '-'), bounded, createWriteStream(file, { mode: 0o600 }));
    return await use(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function* bounded(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > MAX_PIPED_BYTES)
      throw new MeshError('too_large', 'Standard input is longer than an archive can be.');
    yield chunk;
  }
}

/** What `capsule list` prints and no file is called, whole or short. */
const isMeshId = (file: string): boolean => /^(?:[0-9a-f]{64}|(?:…|\.{3})?[0-9a-f]{6,63}…?)$/.test(file);

const notAFile = (id: string): CliError =>
  usage(
    `There is no file ${id}; it looks like the id of a capsule in the mesh.`,
    `See it with: capsule show ${id}`,
  );

/**
 * Works with a verified archive, interruptibly; undefined where that was interrupted. Throws as `openArchive` does, and `usage` where a
 * key is needed and none was given.
 */
export async function withOpened<T>(
  cli: Cli,
  file: string,
  options: ReadingOptions & Pick<VerifyOptions, 'allowlist'>,
  use: (opened: OpenedArchive, signal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  const { allowlist } = options;
  const reading = {
    ...(allowlist !== undefined && { allowlist }),
    ...(await readingOptions(cli.io, options)),
  };
  return cli.interruptible(
    (signal) =>
      withSource(cli, file, async (source) =>
        use(await openVerified(source, { ...reading, signal }), signal),
      ),
    () => 'Interrupted: nothing was written.',
  );
}

async function openVerified(source: CountedSource, options: VerifyOptions): Promise<OpenedArchive> {
  try {
    return await openArchive(components, source, options);
  } catch (error) {
    throw error instanceof MeshError && error.code === 'key_required'
      ? keyNeeded('it cannot be opened')
      : error;
  } finally {
    source.counted();
  }
}

export const tellKeyUnused = (cli: Cli): void =>
  cli.note('The archive is not encrypted; --key was not needed.');

/** Looks into an archive, unverified, also into encrypted content where a key was given. Throws LayoutError. */
export function lookInto<T>(
  cli: Cli,
  file: string,
  options: LookOptions,
  use: (look: Look) => Promise<T>,
): Promise<T> {
  const look = async (source: CountedSource): Promise<T> => {
    const reading = await readingOptions(cli.io, options);
    const archive = await readArchive(components, source, reading);
    source.counted();
    if (!archive.encrypted && options.key !== undefined) tellKeyUnused(cli);
    return use({ ...archive, size: source.size });
  };
  return withSource(cli, file, look, 'Reading');
}

/** The plain archive, for what cannot be shown without it. */
export function plainOf({ plain }: Look, what: string): NonNullable<Look['plain']> {
  if (plain !== null) return plain;
  throw keyNeeded(`${what} cannot be read`);
}

const keyNeeded = (what: string): CliError =>
  usage(`The archive is encrypted: ${what} without a recipient’s key.`, 'Give the key: --key FILE');
