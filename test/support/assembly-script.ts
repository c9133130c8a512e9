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
  const known =
    compiled.get(source) ?? compile({ entry: `${ENTRY}.ts`, abort: `${ENTRY}/onAbort`, read: readSource });
  compiled.set(source, known);
  return known;

  function readSource(name: string): string | null {
    return name === `${ENTRY}.ts` ? source + ABORT : null;
  }
}

/** The plug-in of a capability's folder, as its own script makes it. */
export function assembleFolder(folder: string): Promise<Uint8Array> {
  return compile({
    entry: 'assembly/index.ts',
    abort: 'assembly/capsule/onAbort',
    read: (name) => readIfThere(join(folder, name)),
  });
}

interface Compilation {
  entry: string;
  abort: string;
  /** A source by its path, before the packages' are looked at. */
  read: (name: string) => string | null;
}

async function compile({ entry, abort, read }: Compilation): Promise<Uint8Array> {
  // Takes half a second to load, and few tests need it.
  const { default: asc } = await import('assemblyscript/asc');
  let made: Uint8Array | undefined;
  const output = ['--outFile', 'module.wasm', '-O', '--runtime', 'stub'];
  const { error, stderr } = await asc.main(
    [entry, ...output, '--path', PACKAGES, '--use', `abort=${abort}`],
    {
      readFile: (name: string, base: string) => read(name) ?? readIfThere(join(base, name)),
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
