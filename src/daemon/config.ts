import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { isLoopback } from '../api/same-origin.ts';
import { MeshError } from '../lib/errors.ts';
import { absolutePath, dataDirectory } from '../lib/home.ts';
import { parseJson } from '../lib/json.ts';
import { decodeText } from '../lib/local-text.ts';
import { type Config, ConfigSchema, type PartialConfig } from './config-schema.ts';
import {
  CONFIG_JSON,
  defaultsOf,
  isTree,
  locate,
  merge,
  nearest,
  parseText,
  unknownKeys,
} from './config-values.ts';

export interface ConfigSources {
  /** What the command line gave; strongest. */
  flags?: PartialConfig;
  env: Readonly<Record<string, string | undefined>>;
  /** `--config F`: must exist. Without it `capsule.json` in the data directory is read where there is one. */
  file?: string;
  /** `--data DIR`. */
  dataDirectory?: string;
}

export interface LoadedConfig {
  /** Complete; `data.directory` is absolute. */
  config: Config;
  /** The file that was read, or null. */
  file: string | null;
}

/** Longest excerpt of a bad value in an error message, in characters. */
const FOUND_CHARS = 80;
const DEFAULT_FILE = 'capsule.json';
/** Read by other parts, although they look like settings. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set(['CAPSULE_API_URL', 'CAPSULE_API_TOKEN']);

type Layer = Record<string, Record<string, unknown> | undefined>;

/** The configuration without flags, variables and file. `data.directory` still starts with `~/`. */
export function defaultConfig(): Config {
  const defaults = defaultsOf(ConfigSchema);
  assertConfig(defaults, 'the default configuration');
  return defaults;
}

/**
 * Flags over environment `CAPSULE_<SECTION>_<KEY>` over file over default (interfaces "Configuration"). Throws
 * `config_invalid` with detail `{path, found, allowed, source}` for an unknown key or a bad value.
 */
export async function loadConfig(sources: ConfigSources): Promise<LoadedConfig> {
  const defaults = defaultConfig();
  const environment = fromEnvironment(sources.env);
  const flags: Layer = { ...sources.flags };
  if (sources.dataDirectory) flags.data = { directory: sources.dataDirectory };
  const directory = dataDirectory(sources.dataDirectory || sources.flags?.data?.directory, sources.env);
  const file = await readConfigFile(sources.file, directory);

  let merged: unknown = defaults;
  for (const { value, source } of [
    { value: file?.value, source: file?.path ?? DEFAULT_FILE },
    { value: environment, source: 'the environment' },
    { value: flags, source: 'the command line' },
  ]) {
    refuseUnknownKeys(value, source);
    // Each layer is checked on top of the defaults alone, so that a fault is blamed on the one that has it.
    assertConfig(merge(ConfigSchema, defaults, value), source);
    merged = merge(ConfigSchema, merged, value);
  }
  assertConfig(merged, 'the configuration');
  checkTogether(merged);
  return {
    config: { ...merged, data: { directory: absolutePath(merged.data.directory) } },
    file: file?.path ?? null,
  };
}

/** `CAPSULE_NETWORK_MAX_CONNECTIONS` for `network.maxConnections`. */
export function environmentName(section: string, key: string): string {
  return `CAPSULE_${section}_${key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`)}`.toUpperCase();
}

function fromEnvironment(env: ConfigSources['env']): Layer {
  const known = new Map<string, { section: string; key: string; schema: TSchema }>();
  for (const [section, { properties }] of Object.entries(ConfigSchema.properties)) {
    for (const [key, schema] of Object.entries<TSchema>(properties)) {
      known.set(environmentName(section, key), { section, key, schema });
    }
  }
  const layer: Layer = {};
  for (const [name, text] of Object.entries(env)) {
    const target = known.get(name === 'CAPSULE_DATA' ? 'CAPSULE_DATA_DIRECTORY' : name);
    if (target === undefined) refuseMistyped(name, [...known.keys()]);
    // An empty variable says nothing: `X=${X:-}` is how compose files pass on what is not set.
    else if (text && !(name === 'CAPSULE_DATA_DIRECTORY' && env.CAPSULE_DATA)) {
      const { section, key, schema } = target;
      layer[section] = { ...layer[section], [key]: parseText(schema, text) };
    }
  }
  return layer;
}

/** Other programs' variables may start with `CAPSULE_` too; only what looks like ours and is not is refused. */
function refuseMistyped(name: string, known: readonly string[]): void {
  const section = /^CAPSULE_([A-Z]+)_/.exec(name)?.[1]?.toLowerCase();
  if (section === undefined || OTHER_VARIABLES.has(name)) return;
  if (nearest(section, Object.keys(ConfigSchema.properties)) === undefined) return;
  const meant = nearest(name, known);
  const hint = meant === undefined ? '' : ` Did you mean ${meant}?`;
  throw new MeshError('config_invalid', `There is no setting for the variable ${name}.${hint}`, {
    path: name,
    found: name,
    allowed: known.filter((each) => each.startsWith(`CAPSULE_${section.toUpperCase()}_`)),
    source: 'the environment',
  });
}

async function readConfigFile(
  file: string | undefined,
  directory: string,
): Promise<{ value: unknown; path: string } | undefined> {
  const path = file === undefined ? join(directory, DEFAULT_FILE) : absolutePath(file);
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const code = isTree(error) ? error.code : undefined;
    if (file === undefined && (code === 'ENOENT' || code === 'ENOTDIR')) return undefined;
    throw new MeshError(
      'config_invalid',
      `The configuration file ${path} cannot be read (${String(code)}).`,
      {
        source: path,
      },
    );
  }
  const { text } = decodeText(bytes, `The configuration file ${path}`, 'config_invalid');
  const value = parse(text, path);
  if (!isTree(value)) {
    throw new MeshError('config_invalid', `The configuration file ${path} must hold a JSON object.`, {
      source: path,
    });
  }
  const { $schema: _forEditors, ...settings } = value;
  return { value: settings, path };
}

function parse(text: string, path: string): unknown {
  try {
    return parseJson(text, CONFIG_JSON);
  } catch (error) {
    const why = error instanceof MeshError ? error.message : String(error);
    throw new MeshError('config_invalid', `The configuration file ${path} is not valid: ${why}`, {
      source: path,
    });
  }
}

/** Before anything is merged, so that no key of a file ever reaches a prototype. */
function refuseUnknownKeys(value: unknown, source: string): void {
  const unknown = unknownKeys(ConfigSchema, value)[0];
  if (unknown === undefined) return;
  const { path, known } = unknown;
  const key = path.split('.').at(-1) ?? path;
  const meant = nearest(key, known);
  const hint = meant === undefined ? `allowed are ${known.join(', ')}.` : `did you mean "${meant}"?`;
  const message = `Unknown key "${path}" in ${source}; ${hint}`;
  throw new MeshError('config_invalid', message, { path, found: key, allowed: known, source });
}

function assertConfig(value: unknown, source: string): asserts value is Config {
  if (Value.Check(ConfigSchema, value)) return;
  const pointer = Value.Errors(ConfigSchema, value)[0]?.instancePath ?? '';
  const { path, found: given, allowed } = locate(ConfigSchema, value, pointer);
  const found = withoutPassword(given);
  const shown = (JSON.stringify(found) ?? 'nothing').slice(0, FOUND_CHARS);
  const message = `"${path}" in ${source} is ${shown}; it must be ${allowed}.`;
  throw new MeshError('config_invalid', message, { path, found, allowed, source });
}

/** An address as it may be shown. */
function withoutPassword(found: unknown): unknown {
  return typeof found === 'string' ? found.replace(/\/\/[^\s/@]*@/, '//…@') : found;
}

/** What one key's schema cannot say because it takes two keys. */
function checkTogether(config: Config): void {
  const { engine, market, api } = config;
  const rules: { path: string; found: string | number | boolean; holds: boolean; allowed: string }[] = [
    {
      path: 'engine.defaultTimeoutMs',
      found: engine.defaultTimeoutMs,
      holds: engine.defaultTimeoutMs <= engine.maxTimeoutMs,
      allowed: `at most engine.maxTimeoutMs (${String(engine.maxTimeoutMs)})`,
    },
    {
      path: 'market.advertiseIntervalMs',
      found: market.advertiseIntervalMs,
      holds: market.advertiseIntervalMs < market.ttlMs,
      allowed: `less than market.ttlMs (${String(market.ttlMs)})`,
    },
    {
      path: 'api.requireToken',
      found: api.requireToken,
      holds: api.requireToken || isLoopback(api.host),
      allowed: `true where api.host (${api.host}) is not loopback`,
    },
  ];
  for (const key of ['hosts', 'webhook']) {
    rules.push({
      path: `capabilities.settings.notify.${key}`,
      found: true,
      holds: config.capabilities.settings.notify?.[key] === undefined,
      allowed: 'left out: webhooks have names, in capabilities.webhooks',
    });
  }
  for (const { path, found, holds, allowed } of rules) {
    if (holds) continue;
    throw new MeshError(
      'config_invalid',
      `"${path}" is ${found === true ? 'given' : String(found)}; it must be ${allowed}.`,
      {
        path,
        found,
        allowed,
      },
    );
  }
}
