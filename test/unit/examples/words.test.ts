import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { wasmTemplate } from '../../../src/cli/templates/wasm.ts';
import { WasmPool } from '../../../src/engine/runners/wasm/wasm-pool.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { assembleFolder } from '../../support/assembly-script.ts';
import { silentLog } from '../../support/database.ts';
import { request, resultOf, startedEngine } from '../../support/engine.ts';

const EXAMPLE = fileURLToPath(new URL('../../../examples/words', import.meta.url));

describe('the example in WebAssembly', () => {
  it('is what a new capability begins with', () => {
    const files = readdirSync(EXAMPLE, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) =>
        join(entry.parentPath, entry.name)
          .slice(EXAMPLE.length + 1)
          .replaceAll('\\', '/'),
      );
    const made = wasmTemplate('words');
    expect(files.sort()).toEqual(made.map(({ path }) => path).sort());
    for (const { path, text } of made) expect(readFileSync(join(EXAMPLE, path), 'utf8'), path).toBe(text);
  });

  it.each(['words', 'my-words'])('compiles as %s, and gives what its examples say', async (name) => {
    const folder = mkdtempSync(join(tmpdir(), 'capsule-words-'));
    const pool = new WasmPool({ clock: systemClock, log: silentLog }, { rooms: 1, memoryMb: 64 });
    try {
      mkdirSync(join(folder, 'assembly'));
      for (const { path, text } of wasmTemplate(name)) writeFileSync(join(folder, path), text);
      writeFileSync(join(folder, `${name}.wasm`), await assembleFolder(folder));
      const { engine } = await startedEngine({ modules: [{ folder, runner: pool }] });
      const examples: unknown = JSON.parse(readFileSync(join(folder, 'examples.json'), 'utf8'));
      expect(examples).toHaveLength(2);
      for (const { capability, payload, result } of Array.isArray(examples) ? examples : []) {
        const outcome = await engine.handleIntent(request(capability, payload));
        expect(resultOf(outcome)).toEqual(result);
        expect(outcome.receipt.permissionsUsed).toEqual(['progress']);
      }
      await engine.stop();
    } finally {
      await pool.stop();
      rmSync(folder, { recursive: true });
    }
  });
});
