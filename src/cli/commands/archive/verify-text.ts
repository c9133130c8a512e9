import { verificationReport } from '../../../archive/report.ts';
import type { Area, Verification } from '../../../archive/types.ts';
import { header, oneLine, section, tick } from './text.ts';

export interface Verified {
  file: string;
  /** bytes */
  size: number;
  found: Verification;
  /** Of all that was asked for: the mathematics, and what the caller demands of the signers. */
  ok: boolean;
  /** Lines on what was demanded beyond the mathematics. */
  demands: readonly string[];
}

/** Areas as other implementations print them. */
const LABELS: readonly (readonly [Area, string])[] = [
  ['content_index', 'content_index'],
  ['chain', 'chain'],
  ['envelope', 'envelope_signature'],
  ['identity', 'identity'],
  ['layout', 'layout'],
  ['encrypted_blob', 'encrypted_blob'],
];

/** The report for a person (archive-v0.6 "Command line"): the last line is `Result: PASS` or `Result: FAIL`. */
export function verificationText({ file, size, found, ok, demands }: Verified): string[] {
  const { errors, warnings } = verificationReport(found);
  return [
    ...header([
      ['File', `${file} (${String(size)} bytes)`],
      ['Capsule ID', found.manifest?.id ?? '-'],
      ['Originator (Ed25519)', found.manifest?.originator.public_key ?? '-'],
      ['Sealed at (attested)', found.envelope?.signed_at ?? '-'],
      ['Level', found.level],
    ]),
    ...section('Checks:', checks(found)),
    ...section('Signers:', signers(found)),
    ...section('Errors:', items(errors)),
    ...section('Warnings:', items(warnings)),
    ...section('Notes:', items(found.notes)),
    ...demands,
    '',
    `Result: ${ok ? 'PASS' : 'FAIL'}`,
  ];
}

function checks(found: Verification): string[] {
  const encrypted = found.envelope !== null && found.envelope.cipher !== 'none';
  return LABELS.filter(([area]) => encrypted || area !== 'encrypted_blob').map(([area, label]) => {
    const count = found.findings.filter((finding) => finding.area === area).length;
    if (count > 0) return `[${tick(false)}] ${label}  (${String(count)} ${count === 1 ? 'error' : 'errors'})`;
    if (found.manifest === null) return `[–] ${label}  (not checked)`;
    if (area === 'chain' && encrypted && found.level === 'L2')
      return `[–] ${label}  (encrypted; --key FILE checks it)`;
    return `[${tick(true)}] ${label}`;
  });
}

function signers({ signers: verdicts }: Verification): string[] {
  if (verdicts.length === 0) return ['(none)'];
  return verdicts.map(({ role, public_key: key, valid, trusted }) => {
    const name = `${oneLine(role)}:`.padEnd(13);
    return `- ${name} ${key}  valid=${String(valid)}  trusted=${String(trusted)}`;
  });
}

const items = (list: unknown): string[] =>
  Array.isArray(list) ? list.map((item) => `- ${oneLine(String(item))}`) : [];
