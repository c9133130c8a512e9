/** Bytes: a certificate chain with its key fits. What is larger is no key file, and would take long to look through. */
export const MAX_SECRET_BYTES = 16_384;

/** How `capsule keygen` names the keys that are to be given away; by content they cannot be told from private ones. */
const GIVEN_AWAY = /\.(?:public|recipient)\.hex$/;
const BARE_KEY = /^[0-9a-f]{64}$/i;
const HEX_MEMBER = /"(?:seed|private_key_hex)"\s*:\s*"[0-9a-f]{64}"/i;
const SEALED_SEED = /"seed"\s*:\s*\{[^{}]*"ciphertext"\s*:\s*"[0-9a-f]+"/i;
const PRINTED_KEY = /^Private key:\s+[0-9a-f]{64}\s*$/m;
const PEM_KEY = /^-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----\s*$/m;
/** As `capsule token create` prints it, wherever in a file: a script or a configuration may have it. */
const NAMED_TOKEN = /\bcapsule_[\w-]{43}(?![\w-])/;
const UTF_16 = [0xff, 0xfe];

/**
 * What a file would give away to whoever gets the archive, by its content: the identity of a node (protected by a
 * passphrase or not), a token for it, a private key as `keygen` writes or prints it, or one in PEM. Null for anything else.
 */
export function secretIn(path: string, bytes: Uint8Array): string | null {
  // Windows PowerShell writes UTF-16 where the output of a command goes to a file.
  const encoding = UTF_16.every((byte, place) => bytes[place] === byte) ? 'utf-16le' : 'utf-8';
  const text = new TextDecoder(encoding).decode(bytes).trim();
  if (BARE_KEY.test(text))
    return GIVEN_AWAY.test(path) ? null : 'a private key or a token (64 hex characters)';
  if (NAMED_TOKEN.test(text)) return 'a token of a node';
  const isJson = /^[{[]/.test(text);
  if (isJson && text.includes('"identity"') && (HEX_MEMBER.test(text) || SEALED_SEED.test(text)))
    return 'the identity of a node';
  if (isJson ? HEX_MEMBER.test(text) : PRINTED_KEY.test(text)) return 'a private key';
  return text.startsWith('-----BEGIN ') && PEM_KEY.test(text) ? 'a private key' : null;
}
