import { expect, it } from 'vitest';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { SeenIds } from '../../../src/store/seen-ids.ts';

const id = (number: number): string => nodeCrypto.sha256Hex(String(number));

it('denies no id that it has seen, and nearly every other', () => {
  const seen = new SeenIds();
  const count = 20_000;
  for (let number = 0; number < count; number++) seen.add(id(number));
  let denied = 0;
  for (let number = 0; number < count; number++) {
    expect(seen.has(id(number))).toBe(true);
    if (!seen.has(id(count + number))) denied++;
  }
  expect(denied / count).toBeGreaterThan(0.999);
});
