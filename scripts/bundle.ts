/**
 * Makes what is installed: the program in a few files, dependencies included (`docs/decisions/0029-bundle.md`), and the
 * archive library and the client with their own. Usage: `node scripts/bundle.ts <folder>`.
 */
import { readdirSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { build, type InputOptions, type PreRenderedChunk } from 'rolldown';

const root = join(import.meta.dirname, '..');

/** Loads a compiled add-on from its own folder. */
export const STAYS_OUTSIDE = ['classic-level'];

/** At the depth of the sources' own folders, so that a path that starts at a module's address leads to the same place. */
const CHUNKS = 'src/chunks';

/** Makes it in `folder`; `more` are further entries, such as a test's program, by their sources without extension. */
export async function bundle(folder: string, more: readonly string[] = []): Promise<void> {
  // The configuration is read by scripts beside a node, too.
  const program = [
    'src/cli/main',
    'src/daemon/node',
    'src/daemon/config',
    // Programs of their own, started by their address.
    'src/engine/runners/threads/thread',
    'src/engine/runners/wasm/wasm-thread',
    ...capabilities(),
    ...more,
  ];
  await make(folder, CHUNKS, {
    external: STAYS_OUTSIDE,
    input: {
      ...keepingPaths(program),
      // Beside the module that starts it.
      [`${CHUNKS}/worker`]: './src/archive/apart/worker.ts',
    },
  });
  // Its users have a bundler of their own, or share the dependencies with it.
  const library = ['src/archive/index', 'src/archive/node', 'src/client/index'];
  await make(folder, 'src/archive/chunks', { external: /^[^./]/, input: keepingPaths(library) });
  for (const name of ['capabilities', 'config', 'protocols', 'src/api/console'])
    await cp(join(root, name), join(folder, name), { recursive: true, filter: isNoSource });
}

/** Manifests, schemas, defaults; a folder has no extension. */
function isNoSource(path: string): boolean {
  return !['.ts', '.md'].includes(extname(path)) && !path.includes('vectors');
}

async function make(folder: string, chunks: string, options: InputOptions): Promise<void> {
  await build({
    ...options,
    cwd: root,
    platform: 'node',
    output: {
      dir: folder,
      format: 'esm',
      entryFileNames: '[name].js',
      // No hash: the code of a capability stays the same where only the node around it changes.
      chunkFileNames: (chunk) => `${capabilityOf(chunk) ?? chunks}/[name].js`,
      // Ten megabytes less for a node at rest. Names stay, for stack traces.
      minify: { compress: true, codegen: true, mangle: { keepNames: true } },
      sourcemap: true,
    },
    logLevel: 'warn',
  });
}

function keepingPaths(entries: readonly string[]): Record<string, string> {
  return Object.fromEntries(entries.map((entry) => [entry, `./${entry}.ts`]));
}

function capabilities(): string[] {
  const folders = readdirSync(join(root, 'capabilities'), { withFileTypes: true });
  return folders.filter((entry) => entry.isDirectory()).map(({ name }) => `capabilities/${name}/index`);
}

/** What only one capability needs stays in its folder, where its hash covers it, also when it is loaded later. */
function capabilityOf({ facadeModuleId, moduleIds }: PreRenderedChunk): string | undefined {
  const modules = facadeModuleId ? [facadeModuleId] : moduleIds;
  const folders = modules.map(
    (module) => module.replaceAll('\\', '/').match(/\/(capabilities\/[^/]+)\/[^/]+$/)?.[1],
  );
  return new Set(folders).size === 1 ? folders[0] : undefined;
}

const [, , folder] = process.argv;
if (import.meta.main && folder !== undefined) await bundle(folder);
