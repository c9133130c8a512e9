import { readFileSync, writeFileSync } from 'node:fs';
import { publishedSchemas } from '../protocols/published.ts';

/*
 * Writes the language-neutral half of the contract, `protocols/<name>/v1/schema.json`, from the schemas that
 * validate. With `--check` it writes nothing and fails where a committed file differs.
 */
const check = process.argv.includes('--check');
const stale: string[] = [];

for (const [name, schema] of publishedSchemas()) {
  const url = new URL(`../protocols/${name}/v1/schema.json`, import.meta.url);
  const text = `${JSON.stringify(schema, null, 2)}\n`;
  if (!check) writeFileSync(url, text);
  else if (readIfThere(url) !== text) stale.push(`protocols/${name}/v1/schema.json`);
}

if (stale.length > 0) {
  console.error(`Not what the schemas say: ${stale.join(', ')}. Run: node scripts/generate-schemas.ts`);
  process.exitCode = 1;
}

function readIfThere(url: URL): string | null {
  try {
    return readFileSync(url, 'utf8');
  } catch {
    return null;
  }
}
