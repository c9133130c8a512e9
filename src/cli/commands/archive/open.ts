import { nodeArchiveCrypto } from '../../../archive/crypto-node.ts';
import { type FileSource, openFileSource } from '../../../archive/file-source.ts';
import { type ReadArchive, readArchive } from '../../../archive/open.ts';
import type { Cli, OutputOptions } from '../../cli.ts';
import { CliError } from '../../failure.ts';
import { recipientSecret } from './keys.ts';

/** What the archive library needs, natively. */
export const components = { crypto: nodeArchiveCrypto };

export interface LookOptions extends OutputOptions {
  key?: string;
}

/** An archive as it is stored, with nothing in it verified. */
export interface Look extends ReadArchive {
  /** bytes */
  size: number;
}

/** Keeps an archive's file open while `use` runs. Throws `usage` where there is none to be read. */
export async function withSource<T>(file: string, use: (source: FileSource) => Promise<T>): Promise<T> {
  const source = await openFileSource(file);
  try {
    return await use(source);
  } finally {
    await source.close();
  }
}

/** Looks into an archive, unverified, also into encrypted content where a key was given. Throws LayoutError. */
export function lookInto<T>(
  cli: Cli,
  file: string,
  options: LookOptions,
  use: (look: Look) => Promise<T>,
): Promise<T> {
  return withSource(file, async (source) => {
    const secret = await recipientSecret(cli.io, options);
    const archive = await readArchive(components, source, secret);
    if (!archive.encrypted && options.key !== undefined)
      cli.note('The archive is not encrypted; --key was not needed.');
    return use({ ...archive, size: source.size });
  });
}

/** The plain archive, for what cannot be shown without it. */
export function plainOf({ plain }: Look, what: string): NonNullable<Look['plain']> {
  if (plain !== null) return plain;
  throw new CliError(
    'usage',
    `The archive is encrypted: ${what} cannot be read without a recipient’s key.`,
    'Give the key: --key FILE',
  );
}
