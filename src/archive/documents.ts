import {
  ARCHIVE_VERSION,
  ArchiveEvent,
  DecryptionMetadata,
  Envelope,
  Manifest,
} from '../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { type Check, checkOf } from '../lib/check.ts';
import { MeshError } from '../lib/errors.ts';
import { isObject, type JsonLimits, parseJson } from '../lib/json.ts';
import type { ReadEvent } from './chain.ts';
import { quoted, type Report } from './findings.ts';
import { LayoutError } from './layout-error.ts';
import { PATHS } from './paths.ts';
import type { ArchiveComponents, Container, Finding, LayoutReason } from './types.ts';
import { entryOf, readUnchecked } from './zip/content.ts';

/** An index of 10,000 files with long paths fits; a document is read as a whole. */
export const DOCUMENT_LIMITS: JsonLimits = { maxBytes: 33_554_432, maxDepth: 64 };
/** One event; many times what a summary needs. */
export const EVENT_LIMITS: JsonLimits = { maxBytes: 4_194_304, maxDepth: 64 };
/** The whole chain is held in memory while it is walked; both bounds, since empty lines cost memory too. */
export const MAX_CHAIN_BYTES = 67_108_864;
export const MAX_EVENTS = 100_000;
export const LINE_FEED = 0x0a;
/** The rules of format 0.6, by the name that later revisions of the format gave them. */
const KNOWN_PROFILE = 'v0.6-suite 1.0';

const manifestCheck = checkOf(Manifest);
const envelopeCheck = checkOf(Envelope);
const decryptionCheck = checkOf(DecryptionMetadata);
const eventCheck = checkOf(ArchiveEvent);

/** Throws LayoutError for a file that is not even read as a document. */
export function demandDocumentSize(path: string, size: number): void {
  if (size <= DOCUMENT_LIMITS.maxBytes) return;
  const limit = String(DOCUMENT_LIMITS.maxBytes);
  throw new LayoutError(
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
  const entry = entryOf(container, path);
  demandDocumentSize(path, entry.size);
  const { bytes, crcMatches } = await readUnchecked(components, container, entry);
  return { document: parseDocument(path, bytes), crcMatches };
}

/** A JSON object in UTF-8. Throws LayoutError `invalid_utf8`, `invalid_json` or `invalid_shape`. */
export function parseDocument(path: string, bytes: Uint8Array): JsonObject {
  const text = textOf(bytes);
  if (text === null) throw notUtf8(path);
  try {
    const value = parseJson(text, DOCUMENT_LIMITS);
    if (isObject(value)) return value;
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    throw new LayoutError('invalid_json', `${path}: ${error.message}`, path);
  }
  throw new LayoutError('invalid_shape', `${path} is not a JSON object.`, path);
}

/** A version or profile that this reader does not implement: then that is all there is to be said. */
export function unsupportedRules(manifest: JsonObject, envelope: JsonObject): Finding | null {
  const format = isObject(manifest.format) ? manifest.format : {};
  for (const [holder, { version, profile }] of [
    ['manifest.format', format],
    ['envelope', envelope],
  ] as const) {
    const unsupported = (reason: LayoutReason, message: string): Finding => ({
      area: 'layout',
      reason,
      message: `${holder}.${message}`,
    });
    if (typeof version === 'string' && version !== ARCHIVE_VERSION)
      return unsupported('unsupported_version', `version ${quoted(version)} is not supported`);
    const name = isObject(profile) ? `${String(profile.id)} ${String(profile.version)}` : null;
    if (profile !== undefined && name !== KNOWN_PROFILE)
      return unsupported('unsupported_profile', 'profile is not one that this reader implements');
  }
  return null;
}

export const asManifest = (document: JsonObject) => shaped(PATHS.manifest, manifestCheck, document);
export const asEnvelope = (document: JsonObject) => shaped(PATHS.envelope, envelopeCheck, document);

export const asDecryption = (path: string, document: JsonObject) => shaped(path, decryptionCheck, document);

function shaped<T>(path: string, check: Check<T>, document: JsonObject): T & JsonObject {
  if (check.accepts(document)) return document;
  throw new LayoutError('invalid_shape', `${path} is malformed: ${check.explain(document)}.`, path);
}

/** `chain/events.jsonl`, as far as it can be read; what cannot be is reported. Never throws. */
export function parseEvents(bytes: Uint8Array, report: Report): ReadEvent[] {
  const events: ReadEvent[] = [];
  const fail = (message: string, seq?: number) =>
    report({ area: 'chain', path: PATHS.chain, message, ...(seq !== undefined && { seq }) });
  if (bytes.length === 0) fail('the chain has no event');
  let number = 0;
  for (let start = 0; start < bytes.length; ) {
    number += 1;
    if (number > MAX_EVENTS) {
      fail(`the chain has more than ${String(MAX_EVENTS)} events`);
      break;
    }
    const end = bytes.indexOf(LINE_FEED, start);
    const read = readEvent(textOf(bytes.subarray(start, end < 0 ? undefined : end)));
    if (typeof read === 'string') fail(read, number);
    else events.push({ line: number, event: read });
    start = end < 0 ? bytes.length : end + 1;
  }
  return events;
}

/** The event, or what is wrong with its line. */
function readEvent(line: string | null): (ArchiveEvent & JsonObject) | string {
  if (line === null) return 'the line is not valid UTF-8';
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

const strictDecoder = () => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const wholeTexts = strictDecoder();

function textOf(bytes: Uint8Array): string | null {
  try {
    return wholeTexts.decode(bytes);
  } catch {
    return null;
  }
}

/**
 * Whether bytes that come in pieces are UTF-8; keeps nothing of them. `end` throws LayoutError `invalid_utf8`, also for
 * a character that the last piece breaks off.
 */
export function utf8Check(path: string) {
  const decoder = strictDecoder();
  let valid = true;
  const add = (chunk?: Uint8Array): void => {
    try {
      if (valid) decoder.decode(chunk, { stream: chunk !== undefined });
    } catch {
      valid = false;
    }
  };
  const end = (): void => {
    add();
    if (!valid) throw notUtf8(path);
  };
  return { add, end };
}

const notUtf8 = (path: string): LayoutError =>
  new LayoutError('invalid_utf8', `${path} is not valid UTF-8.`, path);
