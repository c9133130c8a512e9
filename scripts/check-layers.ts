/**
 * Fails on an import that points up the layers, sideways between two folders of one layer, or in a circle of files
 * (docs/decisions/0015-layer-check.md). Type-only imports count. Usage: `node scripts/check-layers.ts [ROOT]`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Top to bottom; an import may only point further down, or stay in its own folder. */
const LAYERS = [
  ['src/cli'],
  ['src/daemon'],
  ['src/client'],
  ['src/api'],
  ['src/workflow'],
  ['src/exchange'],
  ['src/engine', 'src/market', 'src/ledger'],
  ['src/store', 'src/network', 'src/telemetry'],
  ['src/capsule', 'src/archive', 'src/wasm'],
  ['protocols'],
  ['src/lib'],
];

/** What a capability may import besides its own folder: the port, pure parts, the cleaner of text from outside, and helpers right in `capabilities/`. */
const CAPABILITY_IMPORTS = [
  /^src\/engine\/capability\.ts$/,
  /^src\/(?:capsule|archive|wasm)\//,
  /^protocols\//,
  /^src\/lib\/untrusted-text\.ts$/,
  /^capabilities\/[^/]+\.ts$/,
];
/** The one way back up: error codes and limits. */
const LIB_IMPORTS = /^protocols\/common\//;

const STATEMENT = /^\s*(?:import|export)\s(?:[^'"`;]*?\sfrom\s)?\s*['"](\.[^'"]*)['"]/gm;
const DYNAMIC = /\bimport\(\s*['"](\.[^'"]*)['"]/g;

function sourcesIn(root: string): string[] {
  return ['src', 'protocols', 'capabilities'].flatMap((top) =>
    readdirSync(join(root, top), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/')),
  );
}

function importsOf(root: string, file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  const specifiers = [STATEMENT, DYNAMIC].flatMap((pattern) =>
    [...text.matchAll(pattern)].map((m) => m[1] ?? ''),
  );
  return specifiers.map((to) => relative(root, resolve(root, dirname(file), to)).replaceAll('\\', '/'));
}

/** `src/engine`, `capabilities/text`, `protocols`. */
function folderOf(file: string): string {
  const [top = '', second = ''] = file.split('/');
  return top === 'protocols' ? top : `${top}/${second}`;
}

const rankOf = (folder: string) => LAYERS.findIndex((layer) => layer.includes(folder));

/** Why `from` may not import `to`; undefined where it may. */
function violation(from: string, to: string): string | undefined {
  const [source, target] = [folderOf(from), folderOf(to)];
  if (source === target) return undefined;
  if (source.startsWith('capabilities/')) {
    return CAPABILITY_IMPORTS.some((allowed) => allowed.test(to)) ? undefined : 'not open to capabilities';
  }
  if (target.startsWith('capabilities/')) return 'capabilities are loaded by name, never imported';
  if (source === 'src/lib' && LIB_IMPORTS.test(to)) return undefined;
  const [above, below] = [rankOf(source), rankOf(target)];
  if (above < 0) return `${source} has no layer`;
  if (below < 0) return `${target} has no layer`;
  if (above === below) return `sideways, from ${source} to ${target}`;
  return above > below ? `upwards, from ${source} to ${target}` : undefined;
}

/** Circles of files, each once, as the path from its first member back to it. */
function circles(graph: Map<string, string[]>): string[][] {
  const found: string[][] = [];
  const done = new Set<string>();
  const visit = (file: string, path: string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) found.push([...path.slice(at), file]);
    if (at >= 0 || done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return found;
}

/** One sentence for each violation under `root`. */
export function checkLayers(root: string): string[] {
  const graph = new Map(sourcesIn(root).map((file) => [file, importsOf(root, file)]));
  const wrong = [...graph].flatMap(([from, targets]) =>
    targets.flatMap((to) => {
      const why = violation(from, to);
      return why === undefined ? [] : [`${from} imports ${to}: ${why}`];
    }),
  );
  return [...wrong, ...circles(graph).map((path) => `circle: ${path.join(' -> ')}`)];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problems = checkLayers(resolve(process.argv[2] ?? join(import.meta.dirname, '..')));
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
