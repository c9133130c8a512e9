import { type Static, Type } from 'typebox';
import { LIMITS } from '../../common/v1/limits.ts';
import {
  CapabilityName,
  closed,
  Hex32,
  Hex64,
  Identity,
  nullable,
  SignedError,
  TimestampMs,
} from '../../common/v1/schema.ts';

/** What a run took of the node that ran it, as far as that can be told. */
export const RunUse = Type.Object(
  {
    /** Milliseconds of processor time. */
    cpuMs: nullable(Type.Number({ minimum: 0 })),
    /** The most that was seen of the memory of the room it ran in: the code's own, and what it works on. */
    peakMemoryBytes: nullable(Type.Integer({ minimum: 0 })),
  },
  closed,
);
export type RunUse = Static<typeof RunUse>;

/** What was really run for a model's work, so that a receipt binds the answer to the model (design "Receipt"). */
export const ModelExecution = Type.Object(
  {
    model: Type.String({ maxLength: 256 }),
    /** Digest the model server reports for the weights. */
    digest: nullable(Type.String({ maxLength: 128 })),
    quantization: nullable(Type.String({ maxLength: 64 })),
    options: Type.Record(Type.String(), Type.Unknown()),
    seed: nullable(Type.Integer()),
    promptTokens: nullable(Type.Integer({ minimum: 0 })),
    completionTokens: nullable(Type.Integer({ minimum: 0 })),
    /** How its answer ended, in the model server's word: `stop`, `length`. */
    ended: nullable(Type.String({ maxLength: 64 })),
    /** By the node, where it can tell. */
    use: Type.Optional(RunUse),
  },
  closed,
);
export type ModelExecution = Static<typeof ModelExecution>;

/** Which module in WebAssembly an order brought along, and what it could have (`wasm.run`). */
export const WasmExecution = Type.Object(
  {
    wasm: Type.Object(
      {
        /** SHA-256 of the module's bytes. */
        sha256: Hex32,
        /** The exported function that was called. */
        function: Type.String({ minLength: 1, maxLength: 128 }),
        limits: Type.Object(
          { timeMs: Type.Integer({ minimum: 1 }), memoryPages: Type.Integer({ minimum: 1 }) },
          closed,
        ),
      },
      closed,
    ),
    /** By the node, where it can tell. */
    use: Type.Optional(RunUse),
  },
  closed,
);
export type WasmExecution = Static<typeof WasmExecution>;

/** What is known of work without either. */
export const WorkExecution = Type.Object({ use: RunUse }, closed);
export type WorkExecution = Static<typeof WorkExecution>;

export const RECEIPT_VERSION = 1;
/** `previousReceiptHash` of the first receipt of a chain. */
export const GENESIS_HASH = '0'.repeat(64);

/** One per handled intent, success or failure (design "Receipt"). */
export const Receipt = Type.Object(
  {
    version: Type.Literal(RECEIPT_VERSION),
    capsuleId: nullable(Hex32),
    /** Identity of the node that ran it; the key of `signature`. */
    identity: Identity,
    capabilityId: CapabilityName,
    codeHash: nullable(Hex32),
    action: Type.String({ minLength: 1, maxLength: 128 }),
    inputHash: Hex32,
    resultHash: nullable(Hex32),
    status: Type.Union([Type.Literal('completed'), Type.Literal('failed')]),
    error: nullable(SignedError),
    /** Hash of the assignment it ran under. */
    lease: nullable(Hex32),
    epoch: nullable(Type.Integer({ minimum: 1 })),
    /** Credits that it costs whoever asked; null where it failed or nobody pays. Six decimals at most, checked beside the schema. */
    charge: nullable(Type.Number({ exclusiveMinimum: 0, maximum: LIMITS.maxAmountCredits })),
    execution: Type.Union([ModelExecution, WasmExecution, WorkExecution, Type.Null()]),
    permissionsDeclared: Type.Array(Type.String({ maxLength: 256 }), { maxItems: 64 }),
    /** Sorted; a refused use is recorded as `refused:<permission>`. */
    permissionsUsed: Type.Array(Type.String({ maxLength: 300 }), { maxItems: 128 }),
    startedAt: TimestampMs,
    finishedAt: TimestampMs,
    previousStateRoot: Hex32,
    nextStateRoot: Hex32,
    previousReceiptHash: Hex32,
    receiptHash: Hex32,
    signature: Hex64,
  },
  closed,
);
export type Receipt = Static<typeof Receipt>;
