import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const PACKAGES = join(import.meta.dirname, '../../node_modules');
const ENTRY = 'module';

/** What a module needs that ends on a failed assertion without a function of the host. */
const ABORT = `
export function onAbort(message: string | null, file: string | null, line: u32, column: u32): void {}
`;

const compiled = new Map<string, Promise<Uint8Array>>();

/** An Extism plug-in from AssemblyScript's source, which may import `@extism/as-pdk`. Compiled once in each process. */
export function assemble(source: string): Promise<Uint8Array> {
  const known = compiled.get(source) ?? compile(source);
  compiled.set(source, known);
  return known;
}

async function compile(source: string): Promise<Uint8Array> {
  // Takes half a second to load, and few tests need it.
  const { default: asc } = await import('assemblyscript/asc');
  let made: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    [`${ENTRY}.ts`, '--outFile', 'module.wasm', '-O', '--runtime', 'stub', '--path', PACKAGES].concat([
      '--use',
      `abort=${ENTRY}/onAbort`,
    ]),
    {
      readFile: (name: string, base: string) =>
        name === `${ENTRY}.ts` ? source + ABORT : readIfThere(join(base, name)),
      writeFile: (_name: string, content: string | Uint8Array) => {
        if (typeof content !== 'string') made = content;
      },
      listFiles: () => [],
    },
  );
  if (error !== null || made === undefined) throw new Error(`It does not compile: ${stderr.toString()}`);
  return made;
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
