import { type Static, Type } from 'typebox';
import { readArchive } from '../../../archive/read-unverified.ts';
import type { Verification } from '../../../archive/types.ts';
import { verifyArchive } from '../../../archive/verify.ts';
import { checkOf } from '../../../lib/check.ts';
import { parseJson } from '../../../lib/json.ts';
import type { Cli } from '../../cli.ts';
import { EXIT, usage } from '../../failure.ts';
import { readInput, shaped, within } from '../../files.ts';
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

/** What was compared. */
interface Row {
  field: string;
  expected: unknown;
  observed: unknown;
}

const same = ({ expected, observed }: Row): boolean => expected === observed;
const differs = (row: Row): boolean => !same(row);

/** Verifies a vector's archive and compares every hash with the one it states (archive-v0.6 "Command line"). */
export const verifyVectors = (cli: Cli, options: JsonOption, file: string): Promise<void> =>
  cli.documented(options, () => verifyAndTell(cli, options, file));

async function verifyAndTell(cli: Cli, options: JsonOption, file: string): Promise<void> {
  const vector = await readVector(cli, file);
  const { verification, rows } = await compare(vector);
  const diffs = rows.filter(differs);
  const ok = verification.ok && diffs.length === 0;
  if (!ok) cli.exitCode = EXIT.failed;
  const document = {
    ok,
    verifier_ok: verification.ok,
    level: verification.level,
    failing: verification.failing,
    trusted_signer_count: verification.trustedSigners,
    hashes_match: diffs.length === 0,
    diffs,
    observed: Object.fromEntries(rows.map(({ field, observed }) => [field, observed])),
  };
  const generator = vector.meta?.generator;
  cli.answer(options, document, () =>
    [
      `Vectors:           ${oneLine(file)}`,
      ...(generator === undefined ? [] : [`Generator:         ${oneLine(generator)}`]),
      ...verificationLines(verification),
      ...section('Hash parity:', parityLines(rows)),
      ...section('Differences:', diffs.flatMap(differenceLines)),
      '',
      `Result: ${ok ? 'PASS' : 'FAIL'}`,
    ].join('\n'),
  );
}

async function readVector(cli: Cli, file: string): Promise<Static<typeof Vector>> {
  const bytes = await readInput(cli.io, file, VECTOR_BYTES);
  const value = within(file, () => parseJson(bytes, { maxBytes: VECTOR_BYTES, maxDepth: VECTOR_DEPTH }));
  const vector = shaped(checkOf(Vector), `${file} is not a vector file`, value);
  if (HASHES.some((field) => Object.hasOwn(vector.expected, field))) return vector;
  throw usage(`${file} is not a vector file: it expects none of ${HASHES.join(', ')}.`);
}

async function compare(vector: Static<typeof Vector>): Promise<{ verification: Verification; rows: Row[] }> {
  const bytes = Uint8Array.from(Buffer.from(vector.capsule_bytes_b64, 'base64'));
  const originator = vector.originator_public_key_hex;
  const verification = await verifyArchive(components, bytes, {
    ...(originator !== undefined && { allowlist: [originator] }),
  });
  const { manifest, envelope, plain } = await readArchive(components, bytes);
  const observed: Record<(typeof FIELDS)[number], string> = {
    capsule_id: manifest.id,
    first_event_hash: manifest.first_event_hash,
    entry_hash: envelope.entry_hash,
    manifest_hash: envelope.manifest_hash,
    content_index_hash: envelope.content_index_hash,
    envelope_signature_hex: envelope.signers[0]?.signature ?? '',
  };
  const stated = new Map<string, unknown>(Object.entries(vector.expected));
  const rows = FIELDS.filter((field) => stated.has(field)).map((field) => ({
    field,
    expected: stated.get(field),
    observed: observed[field],
  }));
  const hashes = plain?.events.map(({ hash }) => hash) ?? [];
  return { verification, rows: [...rows, ...eventRows(vector.expected.event_hashes, hashes)] };
}

const EVENTS = 'event_hashes';

function eventRows(expected: readonly string[] | undefined, observed: readonly string[]): Row[] {
  if (expected === undefined) return [];
  if (expected.length !== observed.length)
    return [{ field: `${EVENTS}.length`, expected: expected.length, observed: observed.length }];
  return expected.map((hash, index) => ({
    field: `${EVENTS}[${String(index)}]`,
    expected: hash,
    observed: observed[index],
  }));
}

function verificationLines({ ok, level, failing, trustedSigners }: Verification): string[] {
  const passes = (area: (typeof failing)[number]) => tick(!failing.includes(area));
  return [
    '',
    `Verified:          ${tick(ok)} (${level})`,
    `  chain:           ${passes('chain')}`,
    `  content_index:   ${passes('content_index')}`,
    `  envelope:        ${passes('envelope')}`,
    `  trusted signers: ${String(trustedSigners)}`,
  ];
}

/** One for each field, and one for all events. */
function parityLines(rows: readonly Row[]): string[] {
  const line = (ok: boolean, field: string, value: string) =>
    `[${tick(ok)}] ${field.padEnd(FIELD_CHARS)}  ${value}`;
  const isEvent = ({ field }: Row): boolean => field.startsWith(EVENTS);
  const events = rows.filter(isEvent);
  const matching = events.filter(same).length;
  return [
    ...rows
      .filter((row) => !isEvent(row))
      .map((row) => line(same(row), row.field, shortHex(oneLine(String(row.observed)), HASH_CHARS))),
    ...(events.length === 0
      ? []
      : [
          line(
            matching === events.length,
            `${EVENTS}[]`,
            `${String(matching)}/${String(events.length)} match`,
          ),
        ]),
  ];
}

const differenceLines = ({ field, expected, observed }: Row): string[] => [
  field,
  `  expected: ${oneLine(String(expected))}`,
  `  observed: ${oneLine(String(observed))}`,
];
