import { readFileSync } from 'node:fs';
import { raw, signatureOf } from '../primitives.ts';

export interface Key {
  /** As vectors call it. */
  name: string;
  /** 64-hex, both. */
  seed: string;
  identity: string;
  nodeId: string;
}

const FILE = new URL('../../../protocols/common/v1/vectors/keys.json', import.meta.url);
const { keys }: { keys: Record<string, Omit<Key, 'name'>> } = JSON.parse(readFileSync(FILE, 'utf8'));

export const [alice, bob, carol, mallory] = [key('alice'), key('bob'), key('carol'), key('mallory')];

export const everyone: readonly Key[] = [alice, bob, carol, mallory];

function key(name: string): Key {
  const found = keys[name];
  if (found === undefined) throw new Error(`There is no key ${name}.`);
  return { name, ...found };
}

/** Of a 64-hex hash, in a domain (`protocols/common/v1/README.md`). */
export function signHash(by: Key, domain: string, hash: string): string {
  return signatureOf(raw(by.seed), Buffer.concat([Buffer.from(`${domain}\0`), raw(hash)]));
}
