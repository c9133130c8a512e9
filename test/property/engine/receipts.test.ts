import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonValue } from '../../../protocols/common/v1/schema.ts';
import { keyspace } from '../../../src/store/keyspaces.ts';
import { request, startedEngine } from '../../support/engine.ts';

const entries = keyspace<JsonValue>('receipts');
const COUNT = 4;

/** `value` with the leaf that `choose` picks at each level changed, as little as that can be. */
function edited(value: JsonValue, choose: (options: number) => number): JsonValue {
  if (typeof value === 'string') {
    const at = choose(Math.max(value.length, 1));
    return value.slice(0, at) + (value[at] === '0' ? '1' : '0') + value.slice(at + 1);
  }
  if (typeof value === 'number') return value + 1;
  if (typeof value === 'boolean' || value === null) return value === null ? 0 : !value;
  const names = Object.keys(value);
  const name = names[choose(names.length)];
  if (name === undefined) return Array.isArray(value) ? ['added'] : { added: 1 };
  const copy = structuredClone(value);
  if (Array.isArray(copy)) copy[Number(name)] = edited(copy[Number(name)] ?? null, choose);
  else copy[name] = edited(copy[name] ?? null, choose);
  return copy;
}

describe('verify', () => {
  it('finds a change of any one field of any stored receipt', async () => {
    const { engine, db } = await startedEngine();
    for (const capability of ['test.echo', 'test.count', 'test.fail', 'nobody.has']) {
      await engine.handleIntent(request(capability), { epoch: 1 });
    }
    const write = async (key: string, value: JsonValue): Promise<void> => {
      const tx = db.transaction();
      tx.put(entries, key, value);
      await tx.commit();
    };
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: COUNT }),
        fc.infiniteStream(fc.nat()),
        async (sequence, choices) => {
          const key = String(sequence).padStart(16, '0');
          const stored = db.get(entries, key) ?? null;
          await write(
            key,
            edited(stored, (options) => (choices.next().value ?? 0) % options),
          );
          expect((await engine.receipts.verify()).ok).toBe(false);
          await write(key, stored);
        },
      ),
      { numRuns: 150 },
    );
    expect(await engine.receipts.verify()).toEqual({ ok: true, receipts: COUNT, problems: [] });
  });
});
