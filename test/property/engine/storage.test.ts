import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CapabilityApi } from '../../../src/engine/capability.ts';
import { request, resultOf, startedEngine, testModule } from '../../support/engine.ts';

type Operation = { put: string; value: fc.JsonValue } | { delete: string } | { list: string; after: string };

// Few and awkward keys, so that they meet: prefixes of each other, separators, characters that sort differently.
const key = fc.constantFrom('a', 'ab', 'a/b', 'a:b', ':', 'b', '\u{1f642}', '\uffee', 'set-hash');
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ put: key, value: fc.jsonValue({ maxDepth: 2 }) }),
  fc.record({ delete: key }),
  fc.record({ list: fc.constantFrom('', 'a', 'a/'), after: fc.constantFrom('', 'a', 'ab') }),
);
const intents = fc.array(
  fc.record({ operations: fc.array(operation, { maxLength: 6 }), fails: fc.boolean() }),
  { maxLength: 6 },
);
const compare = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** Does to a plain Map what the intent does to the storage, and gives what it must see. */
function model(values: Map<string, string>, operations: Operation[]): unknown[] {
  return operations.map((step) => {
    if ('put' in step) values.set(step.put, JSON.stringify(step.value));
    else if ('delete' in step) values.delete(step.delete);
    else {
      const after = [...values.keys()].filter((name) => step.after === '' || compare(name, step.after) > 0);
      return after.filter((name) => name.startsWith(step.list)).sort(compare);
    }
    const read = values.get('put' in step ? step.put : step.delete);
    return read === undefined ? null : JSON.parse(read);
  });
}

async function act({ storage }: CapabilityApi, step: Operation) {
  if ('list' in step)
    return storage.list({ prefix: step.list, ...(step.after !== '' && { after: step.after }) });
  if ('put' in step) await storage.put(step.put, JSON.parse(JSON.stringify(step.value)));
  else await storage.delete(step.delete);
  return (await storage.get('put' in step ? step.put : step.delete)) ?? null;
}

describe('storage', () => {
  it('is a map that keeps what successful intents did, and the state root follows it', async () => {
    await fc.assert(
      fc.asyncProperty(intents, async (sequence) => {
        let current: (typeof sequence)[number] = { operations: [], fails: false };
        const module = testModule(
          async (_intent, api) => {
            const seen = [];
            for (const step of current.operations) seen.push(await act(api, step));
            if (current.fails) throw new Error('as it was told');
            return seen;
          },
          { permissions: ['storage'] },
        );
        const { engine } = await startedEngine({ modules: [module] });
        let kept = new Map<string, string>();
        for (current of sequence) {
          const next = new Map(kept);
          const expected = model(next, current.operations);
          const outcome = await engine.handleIntent(request('unit.run'));
          expect(outcome.status).toBe(current.fails ? 'failed' : 'completed');
          if (current.fails) continue;
          expect(resultOf(outcome)).toEqual(JSON.parse(JSON.stringify(expected)));
          kept = next;
        }
        expect((await engine.receipts.verify()).problems).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });
});
