import { DOMAINS } from '../../protocols/common/v1/limits.ts';
import { Settlement } from '../../protocols/settlement/v1/schema.ts';
import type { Crypto, Signer } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';
import { isWholeMicro } from './credits.ts';
import { type Refused, refuse } from './outcome.ts';
import { type DocumentOptions, structureCheck } from './signed-document.ts';
import { hashJson, signHash, verifyHash } from './signing.ts';

export type SettlementBody = Omit<Settlement, 'signature'>;

/** Structure only. */
export const checkSettlementStructure = structureCheck(Settlement, 'settlement', 'invalid_request');

/** SHA-256 of the canonical form without `signature`; 64-hex. */
export function settlementHash(crypto: Crypto, settlement: SettlementBody | Settlement): string {
  const { signature: _, ...body }: SettlementBody & Partial<Settlement> = settlement;
  return hashJson(crypto, body);
}

/** Throws `invalid_request` where another identity is named as the payer. */
export function signSettlement(signer: Signer, crypto: Crypto, body: SettlementBody): Settlement {
  if (signer.identity !== body.payer)
    throw new MeshError('invalid_request', 'Only the payer that a settlement names can sign it.');
  return { ...body, signature: signHash(signer, DOMAINS.settlement, settlementHash(crypto, body)) };
}

/** Structure (`invalid_request`) and the payer's signature (`invalid_signature`). Never throws. */
export function verifySettlement(
  crypto: Crypto,
  value: unknown,
  options?: DocumentOptions,
): { ok: true; settlement: Settlement } | Refused {
  const checked = checkSettlementStructure(value, options);
  if (!checked.ok) return checked;
  const settlement = checked.document;
  if (!isWholeMicro(settlement.amount))
    return refuse('invalid_request', 'The settlement\'s "amount" has more than 6 decimals.');
  const hash = settlementHash(crypto, settlement);
  if (!verifyHash(crypto, DOMAINS.settlement, hash, settlement.signature, settlement.payer))
    return refuse('invalid_signature', 'The settlement\'s "signature" is not by the payer that it names.');
  return { ok: true, settlement };
}
