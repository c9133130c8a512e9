import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nodeArchiveCrypto } from '../../../src/archive/crypto/node-crypto.ts';
import { AREAS, type Area, type Verification, type VerifyOptions } from '../../../src/archive/types.ts';
import { verifyArchive } from '../../../src/archive/verify.ts';
import { MeshError } from '../../../src/lib/errors.ts';
import { fromHex } from '../../../src/lib/hex.ts';
import { type Results, reasonOf } from './results.ts';
import type { ArchiveVector, Collection, Expected, KeyFile } from './shapes.ts';

/** Names of other implementations for what a reader refuses, as our reasons. Ours stand for themselves. */
const REASONS: ReadonlyMap<string, readonly string[]> = new Map([
  ['invalid_json', ['invalid_json', 'invalid_utf8']],
  ['invalid_manifest_shape', ['invalid_shape', 'invalid_json']],
  ['local_central_name_mismatch', ['local_header_mismatch']],
  ['directory_marker_shape', ['inconsistent_directory']],
  ['unsupported_version_newer', ['unsupported_version']],
  ['unsupported_version_older', ['unsupported_version']],
]);
const KNOWN_AREAS: ReadonlySet<string> = new Set(AREAS);

/** Where a collection lies and what its vectors share. */
interface Setting {
  set: string;
  folder: string;
  exact: boolean;
  keys: KeyFile;
  allowlist: readonly string[];
}

/** Runs a collection: each archive, and what is expected of it. */
export async function runCollection(
  results: Results,
  set: string,
  folder: string,
  collection: Collection,
  readKeys: (path: string) => Promise<KeyFile>,
): Promise<void> {
  const keys = collection.keys_file === undefined ? {} : await readKeys(join(folder, collection.keys_file));
  const originator = collection.originator_public_key_hex ?? keyOf(keys, 'originator')?.publicKey;
  const setting: Setting = {
    set,
    folder,
    exact: collection.meta?.comparison === 'exact',
    keys,
    allowlist: originator === undefined ? [] : [originator],
  };
  for (const vector of collection.vectors) {
    const foreign = vector.expected.failing?.find((area) => !KNOWN_AREAS.has(area));
    if (foreign !== undefined)
      results.skip(`${set}: ${vector.name}`, `not a vector of this format: it names the area ${foreign}`);
    else await runVector(results, setting, vector);
  }
}

const keyOf = (keys: KeyFile, name: string) => (Object.hasOwn(keys, name) ? keys[name] : undefined);

function namedKey(keys: KeyFile, name: string): KeyFile[string] {
  const pair = keyOf(keys, name);
  if (pair === undefined)
    throw new MeshError('not_found', `The keys file has no key ${JSON.stringify(name)}.`);
  return pair;
}

async function runVector(results: Results, setting: Setting, vector: ArchiveVector): Promise<void> {
  const { expected } = vector;
  const add = (name: string, want: string, got: string, passed?: boolean) =>
    results.add(setting.set, name, want, got, passed);
  try {
    const bytes = await readFile(join(setting.folder, vector.capsule_file));
    const options = optionsOf(setting, vector);
    const wanted = wantedOf(expected);
    if (expected.refused !== undefined) {
      add(vector.name, wanted, await refusal(bytes, options));
      return;
    }
    // A compressed entry is readable here and refused by `strict`; other readers have the strict rule only.
    const strictly = !setting.exact && expected.reason === 'unsupported_compression';
    const verification = await verify(bytes, { ...options, strict: strictly });
    const demanded = strictly ? { ok: false, failing: ['layout'] } : expected;
    add(vector.name, wanted, ...judged(verification, demanded, setting.exact));
    if (expected.strict !== undefined) {
      const strict = await verify(bytes, { ...options, strict: true });
      add(`${vector.name} (strict)`, wantedOf(expected.strict), ...judged(strict, expected.strict, true));
    }
    if (expected.decryptable_with !== undefined) {
      const ok = expected.inner_ok !== false;
      const recipientSecret = fromHex(namedKey(setting.keys, expected.decryptable_with).privateKey);
      const inner = await verify(bytes, { ...options, recipientSecret });
      add(`${vector.name} (L3)`, wantedOf({ ok }), ...judged(inner, { ok }, false));
    }
  } catch (error) {
    add(vector.name, wantedOf(expected), reasonOf(error), false);
  }
}

const verify = (bytes: Uint8Array, options: VerifyOptions) =>
  verifyArchive({ crypto: nodeArchiveCrypto }, bytes, options);

function optionsOf({ keys, allowlist }: Setting, vector: ArchiveVector): VerifyOptions {
  const { limits, key } = vector;
  return {
    allowlist: vector.allowlist?.map((name) => namedKey(keys, name).publicKey) ?? allowlist,
    ...(key !== undefined && { recipientSecret: fromHex(namedKey(keys, key).privateKey) }),
    limits: {
      ...(limits?.max_entries !== undefined && { maxEntries: limits.max_entries }),
      ...(limits?.max_total_bytes !== undefined && { maxTotalBytes: limits.max_total_bytes }),
    },
  };
}

async function refusal(bytes: Uint8Array, options: VerifyOptions): Promise<string> {
  try {
    return described(await verify(bytes, options));
  } catch (error) {
    return error instanceof MeshError ? error.code : reasonOf(error);
  }
}

/** What is there in words, and whether it is what was expected. */
function judged(found: Verification, expected: Expected, exact: boolean): [got: string, passed: boolean] {
  const problems = [...disagreements(found, expected, exact)];
  return [[described(found), ...problems].join('; '), problems.length === 0];
}

function* disagreements(found: Verification, expected: Expected, exact: boolean): Generator<string> {
  const failing: ReadonlySet<string> = new Set<string>(found.failing);
  if (expected.ok !== undefined && expected.ok !== found.ok) yield `ok is ${String(found.ok)}`;
  for (const area of expected.failing ?? []) if (!failing.has(area)) yield `${area} does not fail`;
  if (exact && expected.failing !== undefined && failing.size > expected.failing.length)
    yield `only ${expected.failing.join(', ')} should fail`;
  if (exact && expected.ok === true && failing.size > 0) yield 'nothing should fail';
  if (exact && found.readable !== (expected.stage !== 'open')) yield `readable is ${String(found.readable)}`;
  if (expected.reason !== undefined && (exact || expected.stage === 'open')) {
    const reasons = REASONS.get(expected.reason) ?? [expected.reason];
    if (!found.findings.some(({ reason }) => reason !== undefined && reasons.includes(reason)))
      yield `the reason is not ${expected.reason}`;
  }
  yield* details(found, expected);
}

function* details(found: Verification, expected: Expected): Generator<string> {
  const places = found.findings.flatMap(({ area, seq }) =>
    area === 'chain' && seq !== undefined ? [seq] : [],
  );
  const warned = new Set<Area>(found.warnings.map(({ area }) => area));
  const facts = {
    failing_events: [...new Set(places)].sort((a, b) => a - b),
    warnings: AREAS.filter((area) => warned.has(area)),
    signers: found.signers.map(({ role, valid, trusted }) => `${role} ${String(valid)} ${String(trusted)}`),
  };
  const wanted = {
    failing_events: expected.failing_events,
    warnings: expected.warnings,
    signers: expected.signers?.map(
      ({ role, valid, trusted }) => `${role} ${String(valid)} ${String(trusted)}`,
    ),
  };
  for (const name of ['failing_events', 'warnings', 'signers'] as const) {
    const got = JSON.stringify(facts[name]);
    if (wanted[name] !== undefined && JSON.stringify(wanted[name]) !== got) yield `${name}: ${got}`;
  }
}

function wantedOf({ ok, failing = [], stage, reason, refused }: Expected): string {
  if (refused !== undefined) return refused;
  const verdict = ok === false ? (stage === 'open' ? 'refused' : 'fails') : 'ok';
  return [verdict, ...failing, ...(reason === undefined ? [] : [reason])].join(' ');
}

/** `ok`, or the areas that fail and the first reason. */
function described({ ok, failing, findings, readable }: Verification): string {
  if (ok) return 'ok';
  const reason = findings.find((finding) => finding.reason !== undefined)?.reason;
  return [readable ? 'fails' : 'refused', ...failing, ...(reason === undefined ? [] : [reason])].join(' ');
}
