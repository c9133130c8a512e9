import { type Static, type TObject, type TProperties, Type } from 'typebox';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import { closed, JsonObject } from '../../protocols/common/v1/schema.ts';
import { DEFAULT_DATA_DIRECTORY } from '../lib/home.ts';

/*
 * The one source of the configuration (interfaces "Configuration"): types, defaults, validation, the published
 * `config/schema.json`, `config/default.json` and the table in the documentation all come from here.
 */

const ms = (description: string, value: number, minimum = 1) =>
  Type.Integer({
    description: `${description} Milliseconds.`,
    default: value,
    minimum,
    maximum: 2_147_483_647,
  });
const count = (description: string, value: number, maximum: number, minimum = 1) =>
  Type.Integer({ description, default: value, minimum, maximum });
const bytes = (description: string, mebibytes: number) =>
  Type.Integer({
    description: `${description} Bytes; the oldest that ended go first.`,
    default: mebibytes * 1_048_576,
    minimum: 1_048_576,
    maximum: Number.MAX_SAFE_INTEGER,
  });
const texts = (description: string, value: readonly string[] = []) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 512 }), {
    description,
    default: [...value],
    maxItems: 256,
  });
const section = <P extends TProperties>(description: string, properties: P): TObject<P> =>
  Type.Object(properties, { description, ...closed });

const Weights = section('Factors of the score by which a provider is chosen; the lowest sum wins.', {
  price: Type.Number({ description: 'For each credit.', default: 1, minimum: 0, maximum: 1000 }),
  latency: Type.Number({ description: 'For each second.', default: 0.5, minimum: 0, maximum: 1000 }),
  distance: Type.Number({
    description: 'For each step outwards: local 0, ring1 1, ring2 2, global 3.',
    default: 0.3,
    minimum: 0,
    maximum: 1000,
  }),
});

const Webhook = section('A webhook.', {
  url: Type.String({ pattern: '^https?://[^\\s/@]+(/[^\\s]*)?$', maxLength: 2048 }),
  headers: Type.Optional(
    Type.Record(
      Type.String({ pattern: '^[A-Za-z][A-Za-z0-9-]{0,63}$' }),
      Type.String({ pattern: '^\\$[A-Za-z_][A-Za-z0-9_]{0,127}$' }),
      { maxProperties: 16, ...closed },
    ),
  ),
});

export const ConfigSchema = Type.Object(
  {
    node: section('What this node says about itself.', {
      labels: Type.Record(
        Type.String({ pattern: '^[a-z][a-z0-9_.-]{0,62}$' }),
        Type.String({ maxLength: 128 }),
        {
          description: 'Facts for people and choosers, such as `{"room": "office"}`.',
          default: {},
          ...closed,
        },
      ),
    }),
    data: section('Where the node keeps what must survive.', {
      directory: Type.String({
        description:
          'Data directory: identity, token and database. A leading `~/` is the home directory. `--data` and `CAPSULE_DATA` come first.',
        default: DEFAULT_DATA_DIRECTORY,
        minLength: 1,
      }),
    }),
    network: section('The peer-to-peer side.', {
      listen: texts('Multiaddrs to listen on; port 0 takes a free one.', [
        '/ip4/0.0.0.0/tcp/4470',
        '/ip4/0.0.0.0/tcp/4471/ws',
      ]),
      announce: Type.Array(Type.String({ minLength: 1, maxLength: LIMITS.addressChars }), {
        description:
          'Further multiaddrs where others reach this node, such as a port that a router or a container forwards: `["/ip4/192.168.1.10/tcp/4470"]`. Told before those that it listens on.',
        default: [],
        maxItems: LIMITS.addressesPerAdvertisement,
      }),
      bootstrap: texts('Multiaddrs of nodes to connect to at start and to keep connected to.'),
      mdns: Type.Boolean({ description: 'Find nodes on the local network.', default: true }),
      maxConnections: count(
        'Most connections held at once. A quarter is kept for bootstrap, allowed and useful peers; strangers that are silent make room for others.',
        256,
        10_000,
      ),
      maxPerHost: count('Connections that one public IP address (IPv6: /64) may hold.', 32, 10_000),
      maxPerNearHost: count(
        'Connections that this machine, or one host of a private network, may hold.',
        192,
        10_000,
      ),
      origins: texts(
        'Web origins, such as `https://mesh.example`, whose pages may open the peer WebSocket; no other page may.',
      ),
      allow: texts('Peer ids that may connect; empty means all that are not denied.'),
      deny: texts('Peer ids that may not connect.'),
    }),
    api: section('The HTTP side: console, command line, programs.', {
      host: Type.String({
        description: 'Address to bind. Anything but loopback needs the token.',
        default: '127.0.0.1',
        minLength: 1,
        maxLength: 253,
      }),
      port: count('Port to bind; 0 takes a free one.', 4480, 65_535, 0),
      publicUrl: Type.String({
        description:
          'Address that is printed for people where it is another than `host` and `port`, such as `https://mesh.example.org` behind a proxy; it is answered without being in `hosts`.',
        default: '',
        maxLength: 512,
        pattern: '^(https?://[^\\s/?#@]+)?$',
      }),
      hosts: texts(
        'More names under which this API may be called, `name` (any port) or `name:port`, such as the one a reverse proxy or a published container port gives it.',
      ),
      requireToken: Type.Boolean({
        description: 'Whether every call needs the token; can be switched off on loopback only.',
        default: true,
      }),
      requestsPerSecond: count("Requests that each token but the owner's may make, on average.", 50, 100_000),
      streamsPerToken: count('Event streams and waiting submissions that each of them may hold.', 32, 192),
      capsulesPerToken: count('Capsules that each of them may have under way.', 256, 1_000_000),
    }),
    capabilities: section('What this node can execute.', {
      enabled: Type.Union([Type.Literal('*'), Type.Array(Type.String({ minLength: 1, maxLength: 64 }))], {
        description: 'Modules to load, by name, or `"*"` for all that are found.',
        default: '*',
      }),
      folders: texts('Folders with more capability modules beside the built-in ones.'),
      prices: Type.Record(
        Type.String({ pattern: '^[a-z][a-z0-9_-]*(\\.[a-z0-9][a-z0-9_-]*)+$' }),
        Type.Number({ minimum: 0, maximum: LIMITS.maxAmountCredits }),
        {
          description:
            'Credits that this node asks for a capability, such as `{"text.analyze": 1}`. Without a price the manifest\'s holds; the built-in ones are free.',
          default: {},
          ...closed,
        },
      ),
      settings: Type.Record(Type.String({ pattern: '^[a-z][a-z0-9-]{0,63}$' }), JsonObject, {
        description:
          'Each module\'s own section, such as `{"gemma": {"model": "gemma3:4b"}}`; the module checks it.',
        default: {},
        ...closed,
      }),
      webhooks: Type.Record(Type.String({ pattern: '^[a-z][a-z0-9-]{0,63}$' }), Webhook, {
        description:
          'Where `notify.send` may send things, by the name that a capsule gives: `{"team": {"url": "https://hooks.example.org/T0/abc"}}`. No capsule chooses an address. `headers` names a variable of the environment for each: `{"authorization": "$TEAM_TOKEN"}`.',
        default: {},
        maxProperties: 64,
        ...closed,
      }),
    }),
    permissions: section('What capabilities may do before an operator says more.', {
      builtins: Type.Boolean({
        description:
          'Grant the built-in modules everything that they declare but `seal:others`, which is granted by name.',
        default: true,
      }),
      granted: Type.Record(
        Type.String({ pattern: '^[a-z][a-z0-9-]{0,63}$' }),
        Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { maxItems: 64 }),
        {
          description: 'Further grants: `{"<module>": ["storage", "network:config"]}`.',
          default: {},
          ...closed,
        },
      ),
    }),
    engine: section('How much runs at once, and for how long.', {
      concurrency: count(
        'Intents that run at once. A quarter is kept for the node itself; all strangers together may have half.',
        8,
        1024,
      ),
      queue: count(
        'Intents that may wait, half of them for one capability; beyond that the node says `busy`. An eighth is kept for the node itself; all strangers together may have a quarter.',
        512,
        100_000,
        0,
      ),
      defaultTimeoutMs: ms(
        'How long one run may take where its capsule does not say; one that streams may be silent for so long, and take as long as it goes on.',
        120_000,
      ),
      maxTimeoutMs: ms('Longest that any run may take, whatever its capsule says.', 3_600_000),
      strangerTimeoutMs: ms(
        'Longest that a run for a stranger may take: on a mesh without `network.allow`, any identity that `credits.known` does not name.',
        60_000,
      ),
      probeIntervalMs: ms('Between two looks at what a module offers now.', 15_000, 100),
      graceMs: ms('Between the end of the time that a run may take and its being killed.', 250, 1),
      threads: count(
        'Threads for built-in capabilities that compute, each for one run at a time; as many again for WebAssembly, once there is some to run. One more of each is there for the node itself alone.',
        2,
        256,
      ),
      threadMemoryMb: count(
        'Megabytes that a run in such a thread may take; a module in WebAssembly has half of them as its memory.',
        512,
        65_536,
        64,
      ),
    }),
    market: section('Advertising, and choosing among providers.', {
      weights: Weights,
      advertiseIntervalMs: ms('Between two advertisements.', 60_000, 100),
      ttlMs: ms('How long a provider is believed without a new advertisement.', 300_000, 100),
    }),
    exchange: section('Coordinating capsules that run here or elsewhere.', {
      heartbeatMs: ms('Between two heartbeats of an executor; two may be missed.', 10_000, 20),
      graceMs: ms('Wait after an executor fell silent or its connection dropped.', 2_000, 0),
      bidWindowMs: ms('Bids are collected for so long after the first.', 250, 1),
      announceIntervalMs: ms(
        'First pause between two announcements while no bid has come; it doubles.',
        2_000,
        10,
      ),
      retryMs: ms('First pause before a node that failed is asked again; it doubles.', 1_000, 10),
      searchMs: ms(
        'How long a provider is sought where the capsule does not say when it expires.',
        120_000,
        10,
      ),
      acceptTimeoutMs: ms('How long an executor may take to accept or decline.', 5_000, 10),
      maxRetries: count('Further executions after a failed one, where the capsule does not say.', 2, 10, 0),
      maxActive: count(
        'Capsules in hand at once; a quarter of the places is kept for this node itself.',
        4096,
        1_000_000,
      ),
    }),
    credits: section('The ledger.', {
      limit: Type.Number({
        description:
          'Credits that an identity may owe this node where `network.allow` lists the members of the mesh.',
        default: 1000,
        minimum: 0,
        maximum: LIMITS.maxAmountCredits,
      }),
      strangerLimit: Type.Number({
        description:
          'Credits that each stranger may owe this node on a mesh without `network.allow`. A new identity costs nothing, so a person can owe this amount many times over.',
        default: 1,
        minimum: 0,
        maximum: LIMITS.maxAmountCredits,
      }),
      known: Type.Record(
        Type.String({ pattern: '^([0-9a-f]{64}|12D3KooW[1-9A-HJ-NP-Za-km-z]{44})$' }),
        Type.Number({ minimum: 0, maximum: LIMITS.maxAmountCredits }),
        {
          description:
            'Identities or node ids that are no strangers here, and the credits that each may owe, such as `{"12D3KooW…": 100}`.',
          default: {},
          ...closed,
        },
      ),
    }),
    models: section('Where models run.', {
      ollama: Type.String({
        description:
          'Base address of an Ollama server. A user name and password in it, `http://name:password@host`, are sent as Basic authentication.',
        default: 'http://127.0.0.1:11434',
        pattern: '^https?://[^\\s/]+(/[^\\s]*)?$',
      }),
      parallel: count(
        'Requests that the model server works on at once for each model, as with `OLLAMA_NUM_PARALLEL`; 0 means that the node finds out.',
        0,
        64,
        0,
      ),
    }),
    log: section('Logs, on standard error.', {
      level: Type.Enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
        description: 'Least severe level to print. Payloads appear at `trace` only.',
        default: 'info',
      }),
    }),
    store: section('What is kept of capsules that have ended; others are never pruned.', {
      maxCount: count('Most ended capsules kept.', 100_000, 100_000_000),
      maxAgeMs: Type.Integer({
        description: 'Ended capsules are kept for so long. Milliseconds; the default is 30 days.',
        default: 2_592_000_000,
        minimum: 1000,
        maximum: Number.MAX_SAFE_INTEGER,
      }),
      strangerMaxAgeMs: ms('What strangers ordered is kept for so long after it ended.', 3_600_000, 1000),
      ownMaxBytes: bytes("Most that capsules of this node's own identity take, with their results.", 16_384),
      knownMaxBytes: bytes('The same for all identities together that the operator named.', 4_096),
      strangerMaxBytes: bytes('The same for all others together.', 256),
    }),
  },
  { title: 'capsule.json', description: 'Configuration of a capsule-mesh node.', ...closed },
);

/** A complete configuration: every key is there. */
export type Config = Static<typeof ConfigSchema>;

/** Any part of a configuration, as flags and files give it. */
export type PartialConfig = {
  [S in keyof Config]?:
    | { [K in keyof Config[S]]?: Config[S][K] | Partial<Config[S][K]> | undefined }
    | undefined;
};
