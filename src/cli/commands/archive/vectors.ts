import { Type } from 'typebox';
import { readArchive } from '../../../archive/read-unverified.ts';
import type { Verification } from '../../../archive/types.ts';
import { verifyArchive } from '../../../archive/verify.ts';
import { checkOf } from '../../../lib/check.ts';
import { MeshError, toErrorBody } from '../../../lib/errors.ts';
import { parseJson } from '../../../lib/json.ts';
import type { Cli } from '../../cli.ts';
import { EXIT, usage } from '../../failure.ts';
import { readInput, within } from '../../files.ts';
import type { JsonOption } from '../../options.ts';
import { components } from './open.ts';
import { oneLine, section, shortHex, tick } from './text.ts';

/** An embedded archive of 48 MiB fits. */
const VECTOR_BYTES = 67_108_864;
const VECTOR_DEPTH = 64;
const HASH_CHARS = 16;
const FIELD_CHARS = 28;

const FIELDS = [
  'capsule_id',
  'first_event_hash',
  'entry_hash',
  'manifest_hash',
  'content_index_hash',
  'envelope_signature_hex',
] as const;

const HASHES = [...FIELDS, 'event_hashes'] as const;

const Vector = Type.Object({
  meta: Type.Optional(Type.Object({ generator: Type.Optional(Type.String()) })),
  originator_public_key_hex: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$' })),
  expected: Type.Object({
    ...Object.fromEntries(FIELDS.map((field) => [field, Type.Optional(Type.String())])),
    event_hashes: Type.Optional(Type.Array(Type.String())),
  }),
  capsule_bytes_b64: Type.String({ pattern: '^[A-Za-z0-9+/]+={0,2}$' }),
});

interface Difference {
  field: string;
  expected: unknown;
  observed: unknown;
}

interface Parity {
  verification: Verification;
  /** What was compared, in order. */
  rows: (Difference & { same: boolean })[];
}

/** Verifies a vector's archive and compares every hash with the one it states (archive-v0.6 "Command line"). */
export async function verifyVectors(cli: Cli, options: JsonOption, file: string): Promise<void> {
  try {
    const vector = await readVector(cli, file);
    const { verification, rows } = await compare(vector);
    const diffs = rows
      .filter(({ same }) => !same)
      .map(({ field, expected, observed }) => ({ field, expected, observed }));
    const ok = verification.ok && diffs.length === 0;
    if (!ok) cli.exitCode = EXIT.failed;
    const observed = Object.fromEntries(rows.map(({ field, observed: value }) => [field, value]));
    const { level, failing, trustedSigners } = verification;
    const document = {
      ok,
      verifier_ok: verification.ok,
      level,
      failing,
      trusted_signer_count: trustedSigners,
      hashes_match: diffs.length === 0,
      diffs,
      observed,
    };
    cli.answer(options, document, () =>
      textOf(file, vector.meta?.generator, { verification, rows }, ok).join('\n'),
    );
  } catch (error) {
    if (options.json && error instanceof MeshError) cli.printJson({ ok: false, error: toErrorBody(error) });
    throw error;
  }
}

async function readVector(cli: Cli, file: string) {
  const check = checkOf(Vector);
  const limits = { maxBytes: VECTOR_BYTES, maxDepth: VECTOR_DEPTH };
  const bytes = await readInput(cli.io, file, VECTOR_BYTES);
  const value = within(file, () => parseJson(bytes, limits));
  if (check.accepts(value)) {
    const { expected } = value;
    if (HASHES.some((field) => Object.hasOwn(expected, field))) return value;
    throw usage(`${file} is not a vector file: it expects none of ${HASHES.join(', ')}.`);
  }
  throw usage(`${file} is not a vector file: ${check.explain(value)}.`);
}

async function compare(vector: Awaited<ReturnType<typeof readVector>>): Promise<Parity> {
  const bytes = Uint8Array.from(Buffer.from(vector.capsule_bytes_b64, 'base64'));
  const originator = vector.originator_public_key_hex;
  const verification = await verifyArchive(components, bytes, {
    ...(originator !== undefined && { allowlist: [originator] }),
  });
  const { manifest, envelope, plain } = await readArchive(components, bytes);
  const observed = new Map<string, string>([
    ['capsule_id', manifest.id],
    ['first_event_hash', manifest.first_event_hash],
    ['entry_hash', envelope.entry_hash],
    ['manifest_hash', envelope.manifest_hash],
    ['content_index_hash', envelope.content_index_hash],
    ['envelope_signature_hex', envelope.signers[0]?.signature ?? ''],
  ]);
  const stated = new Map<string, unknown>(Object.entries(vector.expected));
  const rows = FIELDS.filter((field) => stated.has(field)).map((field) => {
    const [expected, found] = [stated.get(field), observed.get(field)];
    return { field, expected, observed: found, same: expected === found };
  });
  const hashes = vector.expected.event_hashes;
  if (hashes === undefined) return { verification, rows };
  const found = plain?.events.map(({ hash }) => hash) ?? [];
  return { verification, rows: [...rows, ...eventRows(hashes, found)] };
}

function eventRows(expected: readonly string[], observed: readonly string[]): Parity['rows'] {
  if (expected.length !== observed.length) {
    const lengths = { expected: expected.length, observed: observed.length };
    return [{ field: 'event_hashes.length', ...lengths, same: false }];
  }
  return expected.map((hash, index) => ({
    field: `event_hashes[${String(index)}]`,
    expected: hash,
    observed: observed[index],
    same: hash === observed[index],
  }));
}

function textOf(
  file: string,
  generator: string | undefined,
  { verification, rows }: Parity,
  ok: boolean,
): string[] {
  const passes = (area: Verification['failing'][number]) => tick(!verification.failing.includes(area));
  const [events, fields] = [rows.filter(ofEvent), rows.filter((row) => !ofEvent(row))];
  return [
    `Vectors:           ${oneLine(file)}`,
    ...(generator === undefined ? [] : [`Generator:         ${oneLine(generator)}`]),
    '',
    `Verified:          ${tick(verification.ok)} (${verification.level})`,
    `  chain:           ${passes('chain')}`,
    `  content_index:   ${passes('content_index')}`,
    `  envelope:        ${passes('envelope')}`,
    `  trusted signers: ${String(verification.trustedSigners)}`,
    ...section('Hash parity:', [...fields.map(parityLine), ...eventLine(events)]),
    ...section(
      'Differences:',
      rows
        .filter(({ same }) => !same)
        .flatMap(({ field, expected, observed }) => [
          field,
          `  expected: ${oneLine(String(expected))}`,
          `  observed: ${oneLine(String(observed))}`,
        ]),
    ),
    '',
    `Result: ${ok ? 'PASS' : 'FAIL'}`,
  ];
}

const ofEvent = ({ field }: Difference): boolean => field.startsWith('event_hashes');

function parityLine({ field, observed, same }: Parity['rows'][number]): string {
  return `[${tick(same)}] ${field.padEnd(FIELD_CHARS)}  ${shortHex(oneLine(String(observed)), HASH_CHARS)}`;
}

function eventLine(rows: Parity['rows']): string[] {
  if (rows.length === 0) return [];
  const matching = rows.filter(({ same }) => same).length;
  const counts = `${String(matching)}/${String(rows.length)} match`;
  return [`[${tick(matching === rows.length)}] ${'event_hashes[]'.padEnd(FIELD_CHARS)}  ${counts}`];
}
