import { type Static, Type } from 'typebox';
import type { ErrorBody } from '../../../protocols/common/v1/errors.ts';
import { LIMITS } from '../../../protocols/common/v1/limits.ts';
import { closed, JsonObject, type JsonValue, nullable } from '../../../protocols/common/v1/schema.ts';
import { ModelExecution, RunUse, WasmExecution } from '../../../protocols/receipt/v1/schema.ts';
import { checkOf } from '../../lib/check.ts';
import { MeshError } from '../../lib/errors.ts';
import { isNestedDeeper } from '../../lib/json-scan.ts';
import type { Intent } from '../capability.ts';
import * as bounds from './bounds.ts';
import type { CodeInFolder, ScopeFacts } from './runner.ts';

/*
 * What passes through the wall of a room: JSON texts, one message each. What comes out of a room may have been written by
 * anybody, so it is checked here, in one place, before anything of it is used.
 */

export type ToRoom =
  /** Answered by `ready` or `unfit`. Once per module. */
  | { t: 'load'; module: string; codeHash: string; code: CodeInFolder }
  /** Answered by `end`, in the end. `run` counts up in each room. */
  | { t: 'call'; run: number; module: string; intent: Intent; facts: ScopeFacts }
  | { t: 'probe'; run: number; module: string; facts: ScopeFacts }
  /** Aborts the run's signal. Answered by `heard` at once: a room that gives none is blocked. */
  | { t: 'cancel'; run: number; error: ErrorBody }
  | { t: 'reply'; run: number; request: number; value?: JsonValue; error?: ErrorBody }
  /** Streamed text of a `models.chat` that asked for it. */
  | { t: 'delta'; run: number; request: number; delta: string; thinking: boolean }
  /** So many more notes may come. */
  | { t: 'credit'; run: number; notes: number };

const Count = Type.Integer({ minimum: 0 });
const Text = (maxLength: number) => Type.String({ maxLength });
const Module = Text(256);

/** What the code threw, as its caller may hear it; the trace is for the operator's log. */
const Failure = Type.Object(
  {
    code: Text(64),
    message: Text(LIMITS.errorMessageChars),
    detail: Type.Optional(Type.Unknown()),
    name: Type.Optional(Text(128)),
    trace: Type.Optional(Text(bounds.MAX_TRACE_CHARS)),
  },
  closed,
);
export type Failure = Static<typeof Failure>;

/** A namespace of the API that was touched: noted as used, or as refused. */
const Touched = Type.Union([
  Type.Literal('storage'),
  Type.Literal('network'),
  Type.Literal('models'),
  Type.Literal('seal'),
  Type.Literal('progress'),
  Type.Literal('log'),
  Type.Literal('identity'),
]);

const Note = Type.Union([
  Type.Object(
    {
      progress: Type.Object(
        {
          delta: Type.Optional(Text(bounds.MAX_DELTA_CHARS)),
          stage: Type.Optional(Text(bounds.MAX_STAGE_CHARS)),
        },
        closed,
      ),
    },
    closed,
  ),
  Type.Object({ log: Text(bounds.MAX_LOG_CHARS), context: Type.Optional(JsonObject) }, closed),
  Type.Object({ touched: Touched }, closed),
  Type.Object({ execution: Type.Union([ModelExecution, WasmExecution]) }, closed),
]);
export type Note = Static<typeof Note>;

/** `body` is checked by `readCall`: what is wrong with it is the caller's to hear, and no reason to end the room. */
const Request = Type.Object(
  { t: Type.Literal('request'), run: Count, request: Count, name: Text(64), body: Type.Unknown() },
  closed,
);
const NoteMessage = Type.Object({ t: Type.Literal('note'), run: Count, note: Note }, closed);
const use = nullable(RunUse);
/** Milliseconds of processor time that the room has taken since it began. */
const spent = Type.Optional(Type.Number({ minimum: 0 }));
const End = Type.Union([
  Type.Object({ t: Type.Literal('end'), run: Count, value: Type.Unknown(), use, spent }, closed),
  Type.Object({ t: Type.Literal('end'), run: Count, failure: Failure, use, spent }, closed),
]);

/** In the order of how often they come. */
const FROM_ROOM = {
  note: checkOf(NoteMessage),
  request: checkOf(Request),
  end: checkOf(End),
  heard: checkOf(Type.Object({ t: Type.Literal('heard'), run: Count }, closed)),
  /** Something of the run was thrown where nobody could catch it; null where it is of none. The room is not used again. */
  fault: checkOf(Type.Object({ t: Type.Literal('fault'), run: nullable(Count), failure: Failure }, closed)),
  ready: checkOf(Type.Object({ t: Type.Literal('ready'), module: Module, probe: Type.Boolean() }, closed)),
  unfit: checkOf(Type.Object({ t: Type.Literal('unfit'), module: Module, failure: Failure }, closed)),
};

export type EndMessage = Static<typeof End>;
export type RequestMessage = Static<typeof Request>;
export type FromRoom =
  | Static<typeof NoteMessage>
  | RequestMessage
  | EndMessage
  | { t: 'heard'; run: number }
  | { t: 'fault'; run: number | null; failure: Failure }
  | { t: 'ready'; module: string; probe: boolean }
  | { t: 'unfit'; module: string; failure: Failure };

export function writeMessage(message: ToRoom | FromRoom): string {
  return JSON.stringify(message);
}

/** Throws `invalid_request` with a clause that says what is wrong. */
export function readFromRoom(text: string): FromRoom {
  if (text.length > bounds.MAX_MESSAGE_CHARS) throw broken('it is too long');
  if (isNestedDeeper(text, bounds.MAX_MESSAGE_DEPTH)) throw broken('it is nested too deeply');
  const value = parse(text);
  const kind = kindOf(value);
  const known = Object.entries(FROM_ROOM).find(([name]) => name === kind);
  if (known === undefined) throw broken('it is of no known kind');
  const [, check] = known;
  if (!check.accepts(value)) throw broken(check.explain(value));
  return value;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw broken('it is not JSON');
  }
}

function kindOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 't' in value ? value.t : undefined;
}

function broken(clause: string): MeshError {
  return new MeshError('invalid_request', clause);
}
