import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import type { JsonValue } from '../../protocols/common/v1/schema.ts';
import type { Check } from '../lib/check.ts';
import { MeshError, reasonOf } from '../lib/errors.ts';
import { isObject, parseJson } from '../lib/json.ts';
import { decodeText } from '../lib/local-text.ts';
import { usage } from './failure.ts';
import type { CliIo } from './io.ts';

/** A file that exists and can be read, or standard input for `-`. Throws `usage`. */
export async function openForReading(io: CliIo, name: string): Promise<Readable> {
  if (name !== '-') {
    const file = await open(name).catch((error: unknown) => {
      throw usage(`${nameOf(name)} cannot be read (${reasonOf(error)}).`);
    });
    return file.createReadStream();
  }
  if (io.stdin.isTTY) io.stderr.write('Reading from the terminal; end with Ctrl-D.\n');
  return io.stdin;
}

/** Reads a file, or standard input for `-`. Stops and throws `too_large` once it is longer than `maxBytes`. */
export async function readInput(io: CliIo, name: string, maxBytes: number): Promise<Buffer> {
  const source = await openForReading(io, name);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of source) {
      const bytes = Buffer.from(chunk);
      size += bytes.length;
      if (size > maxBytes) {
        throw new MeshError('too_large', `${nameOf(name)} has more than ${String(maxBytes)} bytes.`);
      }
      chunks.push(bytes);
    }
  } catch (error) {
    if (error instanceof MeshError) throw error;
    throw usage(`${nameOf(name)} cannot be read (${reasonOf(error)}).`);
  }
  return Buffer.concat(chunks);
}

/** The text of a file or standard input. Throws `invalid_request` where it is not UTF-8. */
export async function readText(io: CliIo, name: string, maxBytes: number): Promise<string> {
  return decodeText(await readInput(io, name, maxBytes), nameOf(name)).text;
}

/**
 * A JSON document from a file or standard input, at most as large as one frame. A byte order mark is dropped before
 * what a person wrote, and refused before a signed document, which is to be the same for every reader.
 */
export async function readJsonFile(io: CliIo, name: string): Promise<JsonValue> {
  const bytes = await readInput(io, name, LIMITS.frameBytes);
  const { text, marked } = decodeText(bytes, nameOf(name), 'invalid_json');
  return within(nameOf(name), () => {
    const value = parseJson(text, { maxBytes: LIMITS.frameBytes, maxDepth: LIMITS.jsonDepth * 4 });
    if (marked && isObject(value) && Object.hasOwn(value, 'signature'))
      throw new MeshError(
        'invalid_json',
        'The signed document begins with a byte order mark; save it as UTF-8 without one.',
      );
    return value;
  });
}

/** The JSON of an option: the text itself, or `@FILE`; `-` or `@-` is standard input. */
export async function readJsonOption(io: CliIo, option: string, value: string): Promise<JsonValue> {
  if (value === '-') return readJsonFile(io, value);
  if (value.startsWith('@')) return readJsonFile(io, value.slice(1));
  return within(option, () => parseJson(value, { maxBytes: LIMITS.frameBytes, maxDepth: LIMITS.jsonDepth }));
}

const UNNAMED: ReadonlyMap<string, string> = new Map([
  ['-', 'Standard input'],
  ['', 'A file without a name'],
]);
const nameOf = (name: string): string => UNNAMED.get(name) ?? name;

/** Runs `work`, with `name` in front of what it complains about. */
export function within<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    throw new MeshError(error.code, `${name}: ${error.message}`, error.detail);
  }
}

/** The value as what `check` is for. Throws `usage`, beginning with `subject`. */
export function shaped<T>(check: Check<T>, subject: string, value: unknown): T {
  if (check.accepts(value)) return value;
  throw usage(`${subject}: ${check.explain(value)}.`);
}
