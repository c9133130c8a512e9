import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Value } from 'typebox/value';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { dataDirectory } from '../../../src/cli/target.ts';
import {
  type ConfigSources,
  defaultConfig,
  environmentName,
  loadConfig,
} from '../../../src/daemon/config.ts';
import { ConfigSchema } from '../../../src/daemon/config-schema.ts';
import { nearest } from '../../../src/daemon/config-values.ts';
import { MeshError } from '../../../src/lib/errors.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'capsule-config-'));
});
afterEach(() => rm(directory, { recursive: true }));

async function load(sources: Partial<ConfigSources> = {}) {
  return loadConfig({ env: {}, dataDirectory: directory, ...sources });
}

async function refusal(sources: Partial<ConfigSources>): Promise<MeshError> {
  const outcome = await load(sources).catch((error: unknown) => error);
  if (outcome instanceof MeshError) return outcome;
  throw new Error('the configuration was accepted');
}

async function file(content: unknown, name = 'capsule.json'): Promise<string> {
  const path = join(directory, name);
  const isText = typeof content === 'string' || content instanceof Uint8Array;
  await writeFile(path, isText ? content : JSON.stringify(content));
  return path;
}

describe('defaults', () => {
  it('hold where nothing is said', async () => {
    const { config, file: read } = await load();
    expect(read).toBeNull();
    expect(config).toEqual({ ...defaultConfig(), data: { directory } });
    expect(config.api).toMatchObject({ host: '127.0.0.1', port: 4480 });
    expect(config.network.listen).toEqual(['/ip4/0.0.0.0/tcp/4470', '/ip4/0.0.0.0/tcp/4471/ws']);
    expect(config.market.weights).toEqual({ price: 1, latency: 0.5, distance: 0.3 });
  });

  it('are described, every one of them', () => {
    for (const [name, section] of Object.entries(ConfigSchema.properties)) {
      expect(section, name).toHaveProperty('description');
      for (const [key, schema] of Object.entries(section.properties)) {
        expect(schema, `${name}.${key}`).toHaveProperty('description', expect.stringMatching(/.{8}/));
      }
    }
  });

  it('are what config/default.json says', async () => {
    const { $schema: _, ...published } = JSON.parse(await readFile('config/default.json', 'utf8'));
    expect(published).toEqual(defaultConfig());
  });

  it('are not shared between two loads', async () => {
    (await load()).config.network.listen.push('/ip4/1.2.3.4/tcp/1');
    expect((await load()).config.network.listen).toHaveLength(2);
  });
});

describe('order', () => {
  it('is flags, environment, file, default', async () => {
    await file({ api: { port: 1000, host: '::1' }, log: { level: 'warn' }, credits: { limit: 5 } });
    const { config } = await load({
      flags: { api: { port: 3000 } },
      env: { CAPSULE_API_PORT: '2000', CAPSULE_LOG_LEVEL: 'debug' },
    });
    expect(config.api).toMatchObject({ port: 3000, host: '::1' });
    expect(config.log.level).toBe('debug');
    expect(config.credits.limit).toBe(5);
    expect(config.exchange.maxRetries).toBe(2);
  });

  it('lets a flag that was not given pass', async () => {
    const { config } = await load({ flags: { api: { port: undefined, host: 'localhost' }, log: undefined } });
    expect(config.api).toMatchObject({ port: 4480, host: 'localhost' });
    expect(config.log.level).toBe('info');
  });

  it('replaces lists and records, and merges the weights', async () => {
    await file({ market: { weights: { price: 7 } }, network: { listen: ['/ip4/127.0.0.1/tcp/0'] } });
    const { config } = await load();
    expect(config.market.weights).toEqual({ price: 7, latency: 0.5, distance: 0.3 });
    expect(config.network.listen).toEqual(['/ip4/127.0.0.1/tcp/0']);
  });
});

describe('data directory', () => {
  it('is --data, then CAPSULE_DATA, then the file, then ~/.capsule', async () => {
    const env = { CAPSULE_DATA: join(directory, 'env') };
    const path = await file({ data: { directory: '~/elsewhere' } }, 'named.json');
    expect((await load({ env, file: path })).config.data.directory).toBe(directory);
    expect((await loadConfig({ env, file: path })).config.data.directory).toBe(join(directory, 'env'));
    expect((await loadConfig({ env: {}, file: path })).config.data.directory).toBe(
      join(homedir(), 'elsewhere'),
    );
    expect(defaultConfig().data.directory).toBe('~/.capsule');
  });

  it.each([
    {},
    { HOME: '' },
    { CAPSULE_DATA: '', CAPSULE_DATA_DIRECTORY: '~/long' },
    { CAPSULE_DATA_DIRECTORY: '/long', CAPSULE_DATA: '~/short' },
    { CAPSULE_DATA: '~/short', CAPSULE_DATA_DIRECTORY: '/long' },
  ])('is the same for the node and the commands: %o', async ({ HOME = directory, ...env }) => {
    vi.stubEnv('HOME', HOME);
    const { config } = await loadConfig({ env });
    expect(config.data.directory).toBe(dataDirectory({ env }, {}));
    vi.unstubAllEnvs();
  });

  it('is where capsule.json is looked for', async () => {
    const other = join(directory, 'other');
    await mkdir(other);
    await writeFile(join(other, 'capsule.json'), '{"api":{"port":1234}}');
    const loaded = await loadConfig({ env: { CAPSULE_DATA: other } });
    expect(loaded.config.api.port).toBe(1234);
    expect(loaded.file).toBe(join(other, 'capsule.json'));
  });
});

describe('environment', () => {
  it.each([
    ['CAPSULE_API_PORT', '0', 'api', 'port', 0],
    ['CAPSULE_CREDITS_LIMIT', '12.5', 'credits', 'limit', 12.5],
    ['CAPSULE_NETWORK_MDNS', 'false', 'network', 'mdns', false],
    ['CAPSULE_NETWORK_MDNS', '1', 'network', 'mdns', true],
    ['CAPSULE_NETWORK_MAX_CONNECTIONS', '9', 'network', 'maxConnections', 9],
    [
      'CAPSULE_NETWORK_BOOTSTRAP',
      '/ip4/1.1.1.1/tcp/1, /ip4/2.2.2.2/tcp/2',
      'network',
      'bootstrap',
      ['/ip4/1.1.1.1/tcp/1', '/ip4/2.2.2.2/tcp/2'],
    ],
    ['CAPSULE_NETWORK_LISTEN', '["/ip4/127.0.0.1/tcp/0"]', 'network', 'listen', ['/ip4/127.0.0.1/tcp/0']],
    ['CAPSULE_CAPABILITIES_ENABLED', '*', 'capabilities', 'enabled', '*'],
    ['CAPSULE_CAPABILITIES_ENABLED', 'text,report', 'capabilities', 'enabled', ['text', 'report']],
    ['CAPSULE_NODE_LABELS', 'room=office,url=a=b', 'node', 'labels', { room: 'office', url: 'a=b' }],
    [
      'CAPSULE_CAPABILITIES_SETTINGS',
      '{"gemma":{"model":"m"}}',
      'capabilities',
      'settings',
      { gemma: { model: 'm' } },
    ],
    ['CAPSULE_MODELS_OLLAMA', 'http://gpu:11434', 'models', 'ollama', 'http://gpu:11434'],
    ['CAPSULE_API_PORT', '', 'api', 'port', 4480],
  ] as const)('%s=%s', async (name, text, section, key, expected) => {
    const config: Record<string, Record<string, unknown>> = (await load({ env: { [name]: text } })).config;
    expect(config[section]?.[key]).toEqual(expected);
  });

  it('has a variable for every key, all different', () => {
    const names = Object.entries(ConfigSchema.properties).flatMap(([section, { properties }]) =>
      Object.keys(properties).map((key) => environmentName(section, key)),
    );
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain('CAPSULE_MARKET_ADVERTISE_INTERVAL_MS');
  });

  it('leaves variables of other programs alone', async () => {
    const env = {
      CAPSULE_TOOLBOX_SERVICE_HOST: 'x',
      CAPSULE_MESH: 'y',
      CAPSULE_API_TOKEN: 'z',
      PATH: '/bin',
    };
    expect(await load({ env })).toEqual(await load({ env: {} }));
  });

  it.each([
    ['CAPSULE_NETWORK_BOOTSTAP', 'CAPSULE_NETWORK_BOOTSTRAP'],
    ['CAPSULE_NETWROK_LISTEN', 'CAPSULE_NETWORK_LISTEN'],
  ])('refuses the mistyped %s', async (name, meant) => {
    const error = await refusal({ env: { [name]: 'x' } });
    expect(error.code).toBe('config_invalid');
    expect(error.message).toContain(`Did you mean ${meant}?`);
  });
});

describe('refusals name path, finding and what is allowed', () => {
  it.each([
    [{ api: { port: 'x' } }, 'api.port', 'x', 'an integer from 0 to 65535'],
    [{ api: { port: 65_536 } }, 'api.port', 65_536, 'an integer from 0 to 65535'],
    [{ api: null }, 'api', null, 'an object'],
    [{ log: { level: 'loud' } }, 'log.level', 'loud', '"info"'],
    [{ network: { listen: 'x' } }, 'network.listen', 'x', 'a list of texts'],
    [{ network: { listen: ['a', 7] } }, 'network.listen[1]', 7, 'a text'],
    [{ network: { mdns: 'yes' } }, 'network.mdns', 'yes', 'true or false'],
    [{ market: { weights: { price: -1 } } }, 'market.weights.price', -1, 'a number from 0 to 1000'],
    [{ capabilities: { enabled: 'all' } }, 'capabilities.enabled', 'all', '"*" or a list of texts'],
    [{ models: { ollama: 'ftp://reader:s3cret@host' } }, 'models.ollama', 'ftp://…@host', 'a text like'],
    [{ models: { ollama: 'gpu' } }, 'models.ollama', 'gpu', 'a text like'],
    [{ node: { labels: { 'Bad Key': 'x' } } }, 'node.labels', { 'Bad Key': 'x' }, 'keys like'],
    [
      { engine: { maxTimeoutMs: 10 } },
      'engine.defaultTimeoutMs',
      120_000,
      'at most engine.maxTimeoutMs (10)',
    ],
    [{ market: { ttlMs: 1000 } }, 'market.advertiseIntervalMs', 60_000, 'less than market.ttlMs (1000)'],
    [{ api: { host: '0.0.0.0', requireToken: false } }, 'api.requireToken', false, 'not loopback'],
  ])('%j', async (content, path, found, allowed) => {
    await file(content);
    const error = await refusal({});
    expect(error.code).toBe('config_invalid');
    expect(error.detail).toMatchObject({ path, found });
    expect(error.message).toContain(`"${path}"`);
    expect(error.message).toContain(allowed);
  });

  it.each([
    [{ netwrk: {} }, 'netwrk', 'network'],
    [{ network: { bootstap: [] } }, 'network.bootstap', 'bootstrap'],
    [{ market: { weights: { prize: 1 } } }, 'market.weights.prize', 'price'],
  ])('%j suggests the nearest known key', async (content, path, meant) => {
    const path_ = await file(content);
    const error = await refusal({});
    expect(error.message).toBe(`Unknown key "${path}" in ${path_}; did you mean "${meant}"?`);
    expect(error.detail).toMatchObject({ path, source: path_, allowed: expect.arrayContaining([meant]) });
  });

  it('lists what is allowed where nothing is near', async () => {
    await file({ store: { zzz: 1 } });
    expect((await refusal({})).message).toMatch(/allowed are maxCount, maxAgeMs, strangerMaxAgeMs, .*\.$/);
  });

  it('blames the layer that is at fault', async () => {
    await file({ api: { port: 1 } });
    expect((await refusal({ env: { CAPSULE_API_PORT: 'many' } })).message).toBe(
      '"api.port" in the environment is "many"; it must be an integer from 0 to 65535.',
    );
    expect((await refusal({ flags: { api: { port: -1 } } })).message).toContain('in the command line is -1');
  });

  it.each(['', '{', '[]', '"x"', 'null', '{"a":1,}', '{"api":{"port":1,"port":2}}'])(
    'the file %j',
    async (text) => {
      await file(text);
      expect(await refusal({})).toMatchObject({ code: 'config_invalid' });
    },
  );

  it('a named file that is missing, or is a directory', async () => {
    expect((await refusal({ file: join(directory, 'none.json') })).message).toContain('ENOENT');
    expect((await refusal({ file: directory })).message).toContain('EISDIR');
  });

  it('a file that is not UTF-8', async () => {
    await file(Buffer.from('{"node":{"labels":{"room":"Büro"}}}', 'latin1'));
    expect(await refusal({})).toMatchObject({
      code: 'config_invalid',
      message: expect.stringMatching(/capsule\.json is not text in UTF-8; save it as UTF-8\.$/),
    });
    await file(Buffer.from('\ufeff{}', 'utf16le'));
    expect((await refusal({})).message).toMatch(/capsule\.json is in UTF-16, /);
  });

  it('a number that would be another one', async () => {
    await file('{"node":{"labels":{"room":"4"}},"api":{"port":9007199254740993}}');
    expect((await refusal({})).message).toContain('"api.port" is the integer 9007199254740993');
    const env = { CAPSULE_MARKET_WEIGHTS: '{"latency":0.12345678901234567890}' };
    expect(await refusal({ env })).toMatchObject({ code: 'config_invalid' });
  });

  it('keys that would reach a prototype', async () => {
    await file('{"__proto__":{"api":{"port":1}}}');
    expect((await refusal({})).message).toContain('__proto__');
    await file('{"constructor":{}}');
    expect((await refusal({})).detail).toMatchObject({ path: 'constructor' });
  });

  it('never prints more than an excerpt of a long value', async () => {
    await file({ log: { level: 'x'.repeat(10_000) } });
    expect((await refusal({})).message.length).toBeLessThan(400);
  });
});

it('drops the byte order mark that Notepad writes', async () => {
  await file('\ufeff{"api":{"port":1234}}');
  expect((await load()).config.api.port).toBe(1234);
});

it('accepts "$schema" in a file', async () => {
  await file({ $schema: './schema.json', api: { port: 1 } });
  expect((await load()).config.api.port).toBe(1);
});

it('publishes a schema that accepts what the node accepts', async () => {
  const published = JSON.parse(await readFile('config/schema.json', 'utf8'));
  const check = (value: unknown) => Value.Check(published, value);
  expect(check(JSON.parse(await readFile('config/default.json', 'utf8')))).toBe(true);
  expect(check({ $schema: 'x', market: { weights: { price: 1 } } })).toBe(true);
  expect(check({ network: { bootstap: [] } })).toBe(false);
  expect(check({ api: { port: -1 } })).toBe(false);
});

it('suggests only what is near', () => {
  expect(nearest('conection', ['connection', 'limit'])).toBe('connection');
  expect(nearest('zzzz', ['connection', 'limit'])).toBeUndefined();
});
