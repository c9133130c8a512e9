/** Of the paths in a folder the one `.wasm`, where its code is of no other kind; undefined where it has none. */
export function wasmOf(paths: readonly string[]): string | undefined {
  if (paths.some((path) => /^index\.[jt]s$/.test(path))) return undefined;
  return paths.find((path) => /^[^/]+\.wasm$/.test(path));
}
