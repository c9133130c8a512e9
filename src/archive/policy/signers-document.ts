import { SignersDocument } from '../../../protocols/archive/v1/schema.ts';
import { checkOf } from '../../lib/check.ts';
import { MeshError } from '../../lib/errors.ts';
import { type JsonLimits, parseJson } from '../../lib/json.ts';
import { quoted } from '../findings.ts';
import { parseInstant } from '../strict.ts';
import { normalizeIssuer } from './trust-roots.ts';

/** 10,000 keys with labels and roles fit. */
const DOCUMENT_LIMITS: JsonLimits = { maxBytes: 8_388_608, maxDepth: 16 };
const KNOWN_VERSIONS: ReadonlySet<string> = new Set(['0.7-draft', '1.0']);
const check = checkOf(SignersDocument);

const invalid = (problem: string) =>
  new MeshError('invalid_request', `The signers document cannot be used: ${problem}.`);

/**
 * A `capsule-signers` document, as an issuer publishes it. Throws `invalid_request` for what is not JSON or has not the
 * shape, a version that is not known, an issuer other than `expectedIssuer`, a time that is none, a validity that
 * ends before it begins, and a key that is there twice: nothing of such a document is used.
 */
export function parseSignersDocument(
  json: string | Uint8Array,
  { expectedIssuer }: { expectedIssuer?: string } = {},
): SignersDocument {
  const document = parsed(json);
  if (!check.accepts(document)) throw invalid(check.explain(document));
  const { version, issuer, updated_at: updatedAt, keys } = document;
  if (!KNOWN_VERSIONS.has(version)) throw invalid(`its version ${quoted(version)} is not known`);
  if (expectedIssuer !== undefined && normalizeIssuer(issuer) !== normalizeIssuer(expectedIssuer))
    throw invalid(`it is of the issuer ${quoted(issuer)}, not of ${quoted(expectedIssuer)}`);
  demandInstant('updated_at', updatedAt);
  const seen = new Set<string>();
  for (const key of keys) {
    if (seen.has(key.public_key)) throw invalid(`it has the key ${key.public_key} twice`);
    seen.add(key.public_key);
    const notBefore = demandInstant('not_before', key.not_before);
    const notAfter = demandInstant('not_after', key.not_after);
    demandInstant('revoked_at', key.revoked_at);
    if (notBefore !== null && notAfter !== null && notAfter < notBefore)
      throw invalid(`the validity of ${key.public_key} ends before it begins`);
  }
  return document;
}

function parsed(json: string | Uint8Array): unknown {
  try {
    return parseJson(json, DOCUMENT_LIMITS);
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    throw new MeshError('invalid_request', `The signers document cannot be used. ${error.message}`);
  }
}

function demandInstant(name: string, text: string | null | undefined): number | null {
  if (text === undefined || text === null) return null;
  const time = parseInstant(text);
  if (time === null) throw invalid(`${name} ${quoted(text)} is no RFC 3339 time`);
  return time;
}
