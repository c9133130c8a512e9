import { DOMAINS } from '../../protocols/common/v1/limits.ts';
import { Receipt } from '../../protocols/receipt/v1/schema.ts';
import type { Crypto, Signer } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';
import { isWholeMicro } from './credits.ts';
import { type Refused, refuse } from './outcome.ts';
import { type DocumentOptions, structureCheck } from './signed-document.ts';
import { hashJson, signHash, verifyHash } from './signing.ts';

export type ReceiptBody = Omit<Receipt, 'receiptHash' | 'signature'>;

/** Structure only. */
export const checkReceiptStructure = structureCheck(Receipt, 'receipt', 'invalid_receipt');

/** SHA-256 of the canonical form without `receiptHash` and `signature`; 64-hex (protocol "Receipt"). */
export function receiptHash(crypto: Crypto, receipt: ReceiptBody | Receipt): string {
  const { receiptHash: _, signature: __, ...body }: ReceiptBody & Partial<Receipt> = receipt;
  return hashJson(crypto, body);
}

/** Throws `invalid_request` where the receipt is another identity's, or charges what no receipt can. */
export function signReceipt(signer: Signer, crypto: Crypto, body: ReceiptBody): Receipt {
  if (signer.identity !== body.identity)
    throw new MeshError('invalid_request', 'Only the identity that a receipt names can sign it.');
  const problem = chargeProblem(body);
  if (problem !== null) throw new MeshError('invalid_request', problem);
  const hash = receiptHash(crypto, body);
  return { ...body, receiptHash: hash, signature: signHash(signer, DOMAINS.receipt, hash) };
}

/** Structure, hash and signature; refusals are `invalid_receipt`. Never throws. */
export function verifyReceipt(
  crypto: Crypto,
  value: unknown,
  options?: DocumentOptions,
): { ok: true; receipt: Receipt } | Refused {
  const checked = checkReceiptStructure(value, options);
  if (!checked.ok) return checked;
  const receipt = checked.document;
  const problem = outcomeProblem(receipt);
  if (problem !== null) return refuse('invalid_receipt', problem);
  if (receiptHash(crypto, receipt) !== receipt.receiptHash)
    return refuse('invalid_receipt', 'The receipt\'s "receiptHash" is not the hash of its content.');
  if (!verifyHash(crypto, DOMAINS.receipt, receipt.receiptHash, receipt.signature, receipt.identity))
    return refuse('invalid_receipt', 'The receipt\'s "signature" is not by the identity that it names.');
  return { ok: true, receipt };
}

/** A receipt says one thing: a result, or an error, which costs nothing. */
function outcomeProblem(receipt: Receipt): string | null {
  const completed = receipt.status === 'completed';
  if (completed === (receipt.error !== null))
    return `The receipt says ${receipt.status} ${completed ? 'and' : 'but'} has ${completed ? 'an' : 'no'} "error".`;
  if (completed === (receipt.resultHash === null))
    return `The receipt says ${receipt.status} ${completed ? 'but' : 'and'} has ${completed ? 'no' : 'a'} "resultHash".`;
  return chargeProblem(receipt);
}

function chargeProblem({ status, charge }: ReceiptBody): string | null {
  if (charge === null) return null;
  if (status !== 'completed') return 'The receipt says failed and has a "charge".';
  return isWholeMicro(charge) ? null : 'The receipt\'s "charge" has more than 6 decimals.';
}
