import { parseDocument } from '../../../archive/documents.ts';
import { LayoutError } from '../../../archive/layout-error.ts';
import { PATHS } from '../../../archive/paths.ts';
import { readFileOf } from '../../../archive/read-unverified.ts';
import { type Cli, ended } from '../../cli.ts';
import { components, type LookOptions, lookInto, plainOf } from './open.ts';

/** Manifest or envelope as stored, indented; with a key those of the encrypted content. */
export function printDocument(
  cli: Cli,
  file: string,
  options: LookOptions,
  name: 'manifest' | 'envelope',
): Promise<void> {
  return lookInto(cli, file, options, async ({ outer, plain }) => {
    const path = PATHS[name];
    const bytes = await readFileOf(components, plain?.container ?? outer, path);
    cli.printJson(parseDocument(path, bytes), 2);
  });
}

/** The Markdown, byte for byte in a pipe; on a terminal nothing in it can drive the terminal. */
export function printText(
  cli: Cli,
  file: string,
  options: LookOptions,
  name: 'program' | 'agents',
): Promise<void> {
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
