import { ArchiveEvent, DecryptionMetadata, Envelope, Manifest } from '../../protocols/archive/v1/schema.ts';
import type { JsonObject, JsonValue } from '../../protocols/common/v1/schema.ts';
import { type Check, checkOf } from '../lib/check.ts';
import { MeshError } from '../lib/errors.ts';
import { isObject, type JsonLimits, parseJson } from '../lib/json.ts';
import type { ReadEvent } from './chain.ts';
import type { Report } from './findings.ts';
import { LayoutError, missingFile } from './layout-error.ts';
import { PATHS } from './paths.ts';
import type { ArchiveComponents, Container } from './types.ts';
import { readUnchecked } from './zip/content.ts';

/** An index of 10,000 files with long paths fits; a document is read as a whole. */
export const DOCUMENT_LIMITS: JsonLimits = { maxBytes: 33_554_432, maxDepth: 64 };
/** One event; many times what a summary needs. */
export const EVENT_LIMITS: JsonLimits = { maxBytes: 4_194_304, maxDepth: 64 };
/** The whole chain is held in memory while it is walked; both bounds, since empty lines cost memory too. */
export const MAX_CHAIN_BYTES = 67_108_864;
export const MAX_EVENTS = 100_000;
export const LINE_FEED = 0x0a;

const manifestCheck = checkOf(Manifest);
const envelopeCheck = checkOf(Envelope);
const decryptionCheck = checkOf(DecryptionMetadata);
const eventCheck = checkOf(ArchiveEvent);

/** A document that has its shape, and all of it as stored: hashes are made over the latter. */
export interface Stored<T> {
  value: T;
  stored: JsonObject;
}

/** Why a file is not even read as a document; null for one that may be. */
export function documentTooLarge(path: string, size: number): LayoutError | null {
  if (size <= DOCUMENT_LIMITS.maxBytes) return null;
  const limit = String(DOCUMENT_LIMITS.maxBytes);
  return new LayoutError(
    'invalid_json',
    `${path} has ${String(size)} bytes; a document may have ${limit}.`,
    path,
  );
}

/** A document of a container, whatever its checksum. Throws LayoutError; reads nothing of one that is too large. */
export async function readDocument(
  components: ArchiveComponents,
  container: Container,
  path: string,
): Promise<{ document: JsonObject; crcMatches: boolean }> {
  const entry = container.entries.get(path);
  if (entry === undefined) throw missingFile(path);
  const problem = documentTooLarge(path, entry.size);
  if (problem !== null) throw problem;
  const { bytes, crcMatches } = await readUnchecked(components, container, entry);
  return { document: parseDocument(path, bytes), crcMatches };
}

/** A JSON object in UTF-8. Throws LayoutError `invalid_utf8` or `invalid_json`. */
export function parseDocument(path: string, bytes: Uint8Array): JsonObject {
  const value = parse(path, bytes);
  if (isObject(value)) return value;
  throw new LayoutError('invalid_shape', `${path} is not a JSON object.`, path);
}

export const asManifest = (document: JsonObject) => shaped(PATHS.manifest, manifestCheck, document);
export const asEnvelope = (document: JsonObject) => shaped(PATHS.envelope, envelopeCheck, document);

export const asDecryption = (path: string, document: JsonObject): DecryptionMetadata =>
  shaped(path, decryptionCheck, document);

/** `chain/events.jsonl`, as far as it can be read; what cannot be is reported. Never throws. */
export function parseEvents(bytes: Uint8Array, report: Report): ReadEvent[] {
  const events: ReadEvent[] = [];
  const fail = (message: string, seq?: number) =>
    report({ area: 'chain', path: PATHS.chain, message, ...(seq !== undefined && { seq }) });
  const text = textOf(bytes);
  if (text === '') fail('the chain has no event');
  let number = 0;
  for (const line of text === null ? damagedLinesOf(bytes) : linesOf(text)) {
    number += 1;
    if (number > MAX_EVENTS) {
      fail(`the chain has more than ${String(MAX_EVENTS)} events`);
      break;
    }
    const read = line === null ? 'the line is not valid UTF-8' : readEvent(line);
    if (typeof read === 'string') fail(read, number);
    else events.push({ line: number, event: read });
  }
  return events;
}

/** What stands between line feeds; nothing after the last one. */
function* linesOf(text: string): Generator<string> {
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n', start);
    yield text.slice(start, end < 0 ? undefined : end);
    start = end < 0 ? text.length : end + 1;
  }
}

/** The same of bytes that are not UTF-8 throughout, with null for the lines that are at fault. */
function* damagedLinesOf(bytes: Uint8Array): Generator<string | null> {
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(LINE_FEED, start);
    yield textOf(bytes.subarray(start, end < 0 ? undefined : end));
    start = end < 0 ? bytes.length : end + 1;
  }
}

/** The event, or what is wrong with its line. */
function readEvent(line: string): (ArchiveEvent & JsonObject) | string {
  if (line === '') return 'the line is empty';
  try {
    const value = parseJson(line, EVENT_LIMITS);
    if (!isObject(value)) return 'the line is not a JSON object';
    return eventCheck.accepts(value) ? value : `the event is malformed: ${eventCheck.explain(value)}`;
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    return `the line is not an event: ${error.message}`;
  }
}

function parse(path: string, bytes: Uint8Array): JsonValue {
  if (textOf(bytes) === null) throw notUtf8(path);
  try {
    return parseJson(bytes, DOCUMENT_LIMITS);
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    throw new LayoutError('invalid_json', `${path}: ${error.message}`, path);
  }
}

function shaped<T>(path: string, check: Check<T>, document: JsonObject): T & JsonObject {
  if (check.accepts(document)) return document;
  throw new LayoutError('invalid_shape', `${path} is malformed: ${check.explain(document)}.`, path);
}

const strictDecoder = () => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(bytes: Uint8Array): string | null {
  try {
    return strictDecoder().decode(bytes);
  } catch {
    return null;
  }
}

/** Whether bytes that come in pieces are UTF-8; keeps nothing of them. */
export class Utf8Check {
  readonly #decoder = strictDecoder();
  #valid = true;

  readonly add = (chunk: Uint8Array): void => this.#decode(chunk);

  /** Throws LayoutError `invalid_utf8`, also for a character that the last piece breaks off. */
  end(path: string): void {
    this.#decode();
    if (!this.#valid) throw notUtf8(path);
  }

  #decode(chunk?: Uint8Array): void {
    if (!this.#valid) return;
    try {
      this.#decoder.decode(chunk, { stream: chunk !== undefined });
    } catch {
      this.#valid = false;
    }
  }
}

const notUtf8 = (path: string): LayoutError =>
  new LayoutError('invalid_utf8', `${path} is not valid UTF-8.`, path);
