import { MAX_SIGNERS } from '../../../protocols/archive/v1/schema.ts';
import { isWeakPublicKey } from '../../lib/crypto.ts';
import { fromHex, isHex } from '../../lib/hex.ts';
import { KEY_BYTES, ORIGINATOR } from '../envelope.ts';
import { quoted } from '../findings.ts';
import { isTimestamp } from '../strict.ts';
import type { ArchiveSigner, SealOptions } from '../types.ts';
import { invalid } from './draft-checks.ts';

/** A role is part of what is signed, ended by a zero byte. */
const ROLE = /^\P{Cc}{1,128}$/u;

/** Throws `invalid_request` for signers or a time that give no archive. */
export function demandSealOptions({ signers, sealedAt }: SealOptions): void {
  if (!isTimestamp(sealedAt))
    throw invalid(`The sealing time ${quoted(sealedAt)} is not like 2026-05-07T12:00:00Z.`);
  demandSigners(signers);
}

function demandSigners(signers: readonly ArchiveSigner[]): void {
  const seen = new Set<string>();
  for (const { role, publicKey } of signers) {
    if (!role.isWellFormed() || !ROLE.test(role))
      throw invalid(`The signer role ${quoted(role)} is not allowed.`);
    if (!isHex(publicKey, KEY_BYTES) || isWeakPublicKey(fromHex(publicKey)))
      throw invalid(`The signer key ${quoted(publicKey)} is no Ed25519 key of 64 lowercase hex characters.`);
    if (seen.has(`${publicKey} ${role}`)) throw invalid(`${publicKey} signs twice as ${quoted(role)}.`);
    seen.add(`${publicKey} ${role}`);
  }
  if (signers.length > MAX_SIGNERS)
    throw invalid(`There may be ${String(MAX_SIGNERS)} signers, not ${String(signers.length)}.`);
  if (!signers.some(({ role }) => role === ORIGINATOR))
    throw invalid(`One of the signers has to have the role ${ORIGINATOR}.`);
}

/** Whose archive it is: `preferred` where it is among the signers as originator, else the first who is. */
export function originatorOf(signers: readonly ArchiveSigner[], preferred?: string): string {
  const keys = signers.filter(({ role }) => role === ORIGINATOR).map(({ publicKey }) => publicKey);
  const [first] = keys;
  if (first === undefined) throw invalid(`One of the signers has to have the role ${ORIGINATOR}.`);
  return preferred !== undefined && keys.includes(preferred) ? preferred : first;
}
