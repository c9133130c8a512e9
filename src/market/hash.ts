/*
 * 32-bit hashes that only spread load: nothing here is a proof. Node ids and capsule ids are themselves hashes or
 * keys, so who chooses one to attract work attracts work, and gains nothing that a lower price would not.
 */

/** Every input bit reaches every output bit (the finalizer of MurmurHash3); a bijection. */
export function mix32(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** FNV-1a over the characters, mixed; an unsigned 32-bit integer. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return mix32(hash);
}
