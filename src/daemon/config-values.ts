import type { TSchema } from 'typebox';
import { parseJson } from '../lib/json.ts';
import { isKeptNumber } from '../lib/json-numbers.ts';

/** Bounds of a configuration file, and of a variable that holds JSON. */
export const CONFIG_JSON = { maxBytes: 1024 * 1024, maxDepth: 32 } as const;

/** What this module reads of a JSON Schema node; the schema itself is plain JSON. */
interface SchemaNode {
  type?: string;
  properties?: Record<string, SchemaNode>;
  items?: SchemaNode;
  anyOf?: SchemaNode[];
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  pattern?: string;
  patternProperties?: Record<string, SchemaNode>;
}

type Tree = Record<string, unknown>;

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value where no source sets one: each key's `default`. */
export function defaultsOf(schema: TSchema): unknown {
  const node: SchemaNode = schema;
  if (node.properties === undefined) return structuredClone(node.default);
  const entries = Object.entries(node.properties).map(([key, child]) => [key, defaultsOf(child)] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

/** `over` on top of `base`: sections are merged key by key; lists, records and plain values are replaced. */
export function merge(schema: TSchema, base: unknown, over: unknown): unknown {
  const { properties }: SchemaNode = schema;
  if (over === undefined) return base;
  if (properties === undefined || !isTree(base) || !isTree(over)) return over;
  const merged: Tree = { ...base };
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue;
    const child = Object.hasOwn(properties, key) ? properties[key] : undefined;
    merged[key] = child === undefined ? value : merge(child, merged[key], value);
  }
  return merged;
}

/** Dotted paths of keys that no section names, with the names that are allowed beside each. */
export function unknownKeys(schema: TSchema, value: unknown, at = ''): { path: string; known: string[] }[] {
  const { properties }: SchemaNode = schema;
  if (properties === undefined || !isTree(value)) return [];
  return Object.entries(value).flatMap(([key, child]) => {
    const path = at === '' ? key : `${at}.${key}`;
    const childSchema = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (childSchema === undefined) return [{ path, known: Object.keys(properties) }];
    return unknownKeys(childSchema, child, path);
  });
}

/** Follows a JSON pointer into value and schema together, as deep as the schema's objects and lists go. */
export function locate(
  schema: TSchema,
  value: unknown,
  pointer: string,
): { path: string; found: unknown; allowed: string } {
  let node: SchemaNode = schema;
  let found = value;
  let path = '';
  for (const part of pointer.split('/').slice(1)) {
    const child = node.properties?.[part] ?? (/^\d+$/.test(part) ? node.items : undefined);
    if (child === undefined) break;
    node = child;
    found = Array.isArray(found) ? found[Number(part)] : isTree(found) ? found[part] : undefined;
    path += /^\d+$/.test(part) ? `[${part}]` : path === '' ? part : `.${part}`;
  }
  return { path, found, allowed: describe(node) };
}

/** In words for a person: "an integer from 1 to 10", "one of "a", "b"". */
function describe(node: SchemaNode): string {
  if (node.anyOf !== undefined) return node.anyOf.map(describe).join(' or ');
  if (node.const !== undefined) return JSON.stringify(node.const);
  if (node.enum !== undefined) return `one of ${node.enum.map((each) => JSON.stringify(each)).join(', ')}`;
  if (node.type === 'array') return `a list of ${node.items === undefined ? 'values' : plural(node.items)}`;
  if (node.type === 'object') {
    const [[keys, values] = []] = Object.entries(node.patternProperties ?? {});
    if (keys === undefined || values === undefined) return 'an object';
    return `an object with keys like ${keys} and, for each, ${describe(values)}`;
  }
  if (node.type === 'boolean') return 'true or false';
  if (node.type === 'string') return node.pattern === undefined ? 'a text' : `a text like ${node.pattern}`;
  const { minimum, maximum } = node;
  const range =
    minimum !== undefined && maximum !== undefined ? ` from ${String(minimum)} to ${String(maximum)}` : '';
  return `${node.type === 'integer' ? 'an integer' : 'a number'}${range}`;
}

function plural(node: SchemaNode): string {
  return node.type === 'string' ? 'texts' : `values, each ${describe(node)}`;
}

/**
 * The typed value of an environment variable: numbers, `true`/`false`/`1`/`0`, JSON for lists and objects, or
 * `a,b` for a list and `k=v,k=v` for a record. What does not parse is given back as text, for validation to name.
 */
export function parseText(schema: TSchema, text: string): unknown {
  const node: SchemaNode = schema;
  const types = new Set([node.type, ...(node.anyOf ?? []).map((each) => each.type)]);
  if (node.anyOf?.some((each) => each.const === text)) return text;
  if (types.has('array') || types.has('object')) {
    const json = /^\s*[[{]/.test(text) ? parseOrText(text) : undefined;
    if (json !== undefined) return json;
    const parts = text.split(',').map((part) => part.trim());
    if (types.has('array')) return parts.filter((part) => part !== '');
    if (!parts.every((part) => /^[^=]+=/.test(part))) return text;
    return Object.fromEntries(parts.map((part) => [before(part, '='), part.slice(part.indexOf('=') + 1)]));
  }
  if (types.has('boolean'))
    return text === 'true' || text === '1' || (text !== 'false' && text !== '0' && text);
  if (types.has('integer') || types.has('number'))
    return /^-?\d+(\.\d+)?$/.test(text) && isKeptNumber(text) ? Number(text) : text;
  return text;
}

function parseOrText(text: string): unknown {
  try {
    return parseJson(text, CONFIG_JSON);
  } catch {
    return text;
  }
}

function before(text: string, separator: string): string {
  return text.slice(0, text.indexOf(separator));
}

/** The known word closest to a mistyped one, if it is close enough to be meant. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: { word: string; distance: number } | undefined;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (best === undefined || distance < best.distance) best = { word: candidate, distance };
  }
  return best !== undefined && best.distance <= Math.max(1, Math.floor(word.length / 3))
    ? best.word
    : undefined;
}

/** Levenshtein, one row at a time; both words are short. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
