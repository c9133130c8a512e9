import { parseDocument } from '../../../archive/documents.ts';
import { LayoutError } from '../../../archive/layout-error.ts';
import { PATHS } from '../../../archive/paths.ts';
import { readFileOf } from '../../../archive/read-unverified.ts';
import { type Cli, ended } from '../../cli.ts';
import { components, lookInto, plainOf } from './open.ts';
import type { LookOptions } from './options.ts';

/** One document of an archive; with a key, of its encrypted content. */
export const printPart = (
  name: 'manifest' | 'envelope' | 'program' | 'agents',
  ...given: [cli: Cli, options: LookOptions, file: string]
): Promise<void> =>
  name === 'manifest' || name === 'envelope' ? printDocument(name, ...given) : printText(name, ...given);

/** As it is stored, indented. */
function printDocument(
  name: 'manifest' | 'envelope',
  cli: Cli,
  options: LookOptions,
  file: string,
): Promise<void> {
  return lookInto(cli, file, options, async ({ outer, plain }) => {
    const path = PATHS[name];
    const bytes = await readFileOf(components, plain?.container ?? outer, path);
    cli.printJson(parseDocument(path, bytes), 2);
  });
}

/** The Markdown, byte for byte in a pipe; on a terminal nothing in it can drive the terminal. */
function printText(name: 'program' | 'agents', cli: Cli, options: LookOptions, file: string): Promise<void> {
  return lookInto(cli, file, options, async (look) => {
    const path = PATHS[name];
    const { container } = plainOf(look, path);
    const missing = name === 'agents' && !container.entries.has(path);
    if (missing) cli.note(`(no ${path} in this capsule)`);
    const text = missing ? null : decode(path, await readFileOf(components, container, path));
    if (options.json) cli.printJson({ path, text });
    else if (text !== null) cli.content(cli.io.stdout.isTTY ? ended(text) : text);
  });
}

function decode(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new LayoutError('invalid_utf8', `${path} is not valid UTF-8.`, path);
  }
}
