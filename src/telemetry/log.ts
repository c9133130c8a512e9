import { type DestinationStream, type Level, type Logger, pino } from 'pino';
import pinoPretty from 'pino-pretty';
import { framesOf, MeshError } from '../lib/errors.ts';
import { terminalText } from '../lib/untrusted-text.ts';

export type LogLevel = Level | 'silent';

export interface LogOptions {
  level: LogLevel;
  /** Lines for a person instead of JSON. */
  pretty: boolean;
  /** Default standard error: standard output belongs to what a command was asked for. */
  stream?: DestinationStream;
}

const STDERR = 2;
const TRACE = 10;
const REDACTED = '[redacted]';

/** Redacted at every level, at the top of a context object and one step inside. */
const SECRET_KEYS = [
  'token',
  'seed',
  'secret',
  'secretKey',
  'privateKey',
  'passphrase',
  'password',
  'authorization',
  'cookie',
  'apiToken',
];

/** What users send and get: only at `trace`. */
const PAYLOAD_KEYS: ReadonlySet<string> = new Set([
  'payload',
  'result',
  'capsule',
  'intent',
  'body',
  'text',
  'delta',
  'prompt',
]);

/**
 * The node's logger; every part gets `log.child({ part: 'engine' })`. Writes synchronously, so that the last line
 * before a crash is there. Secrets are redacted and payloads left out below `trace`, whatever a caller passes.
 */
export function createLogger(options: LogOptions): Logger {
  const destination = options.stream ?? pino.destination({ dest: STDERR, sync: true });
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: REDACTED },
      serializers: { err: serializeError, error: serializeError },
      hooks: {
        logMethod(args, method, level) {
          const [context, ...rest] = args;
          if (level > TRACE && isPlain(context)) method.apply(this, [withoutPayloads(context), ...rest]);
          else method.apply(this, args);
        },
      },
    },
    options.pretty ? readable(destination) : destination,
  );
}

/** What a peer's name or message could do to a terminal, spelled out; JSON escapes the rest, the colours come later. */
function harmless(line: string): string {
  return JSON.stringify(cleaned(JSON.parse(line)));
}

function cleaned(value: unknown): unknown {
  if (typeof value === 'string') return terminalText(value);
  if (Array.isArray(value)) return value.map(cleaned);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [terminalText(key), cleaned(each)]));
}

/** Formats in this thread: a worker would lose the last lines before an exit. */
function readable(destination: DestinationStream): DestinationStream {
  const format = pinoPretty.prettyFactory({
    colorize: process.stderr.isTTY && process.env.NO_COLOR === undefined,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname,part',
    messageFormat: '{if part}[{part}] {end}{msg}',
    singleLine: true,
  });
  return { write: (line) => destination.write(format(harmless(line))) };
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function withoutPayloads(context: Record<string, unknown>): Record<string, unknown> {
  if (!Object.keys(context).some((key) => PAYLOAD_KEYS.has(key))) return context;
  return Object.fromEntries(Object.entries(context).filter(([key]) => !PAYLOAD_KEYS.has(key)));
}

/** `detail` stays out: it may quote what a user sent. So may a parser's words about what it could not read. */
function serializeError(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown;
  const { name: type, cause } = thrown;
  const { message, stack }: Partial<Error> =
    thrown instanceof SyntaxError ? { stack: framesOf(thrown) } : thrown;
  return {
    type,
    ...(thrown instanceof MeshError && { code: thrown.code }),
    ...(message !== undefined && { message }),
    stack,
    ...(cause !== undefined && { cause: serializeError(cause) }),
  };
}
