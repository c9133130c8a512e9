import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import type { RunUse } from '../../../protocols/receipt/v1/schema.ts';
import type { MeshError } from '../../lib/errors.ts';
import type { Availability, CapabilityApi, CapabilityModule, Intent } from '../capability.ts';

/*
 * The port behind which code of capabilities runs. The engine hands over a module once, then calls it; what the code may
 * reach of the node is the scope of the call and nothing else. A call is cancelled by its signal: the code is asked to
 * stop, and where it can be, it is killed when the grace is over.
 */

/** A module's code as it was read and is trusted. */
export interface ModuleCode {
  readonly id: string;
  /** 64 hex characters. */
  readonly codeHash: string;
  /** That the manifest declares. */
  readonly permissions: readonly string[];
  readonly from: CodeInFolder | { readonly module: CapabilityModule };
}

export interface CodeInFolder {
  /** Absolute, links resolved. */
  readonly folder: string;
  /** Path in the folder, with slashes, and SHA-256 of the content: all that may be loaded, however late. */
  readonly files: readonly (readonly [path: string, hash: string])[];
}

export interface Runner {
  /** For logs and the operator. */
  readonly kind: 'in_process' | 'thread' | 'process' | 'wasm';
  /**
   * Loads a module, so that a mistake in it is known before anybody asks for it. Throws `config_invalid` where it cannot
   * be used, `integrity_lock` where it is not what it was.
   */
  start(code: ModuleCode): Promise<LoadedModule>;
  /** Ends everything that runs, at once. The calls end as `interrupted`. */
  stop(): Promise<void>;
}

export interface LoadedModule {
  /** Whether it exports `probe`. */
  readonly hasProbe: boolean;
  /** What may run at once of all modules with the same key, where they share their rooms: the queue in front begins no more. */
  readonly slots: { readonly key: string; readonly concurrency: number } | null;
  /** Why it takes no calls now, in a sentence for the operator; null while it does. Asked at each offer, so cheap. */
  readonly closed: string | null;
  call(request: CallRequest): Run<unknown>;
  probe(request: ProbeRequest): Run<Availability>;
  /** Ends what runs of it, at once where that is possible; each call ends with `reason`. A later call starts anew. */
  kill(reason: MeshError): void;
}

export interface CallRequest {
  readonly intent: Intent;
  readonly scope: Scope<CapabilityApi>;
  readonly signal: AbortSignal;
}

export interface ProbeRequest {
  readonly scope: Scope<Pick<CapabilityApi, 'models'>>;
  readonly signal: AbortSignal;
}

export type Namespace = 'storage' | 'network' | 'models' | 'seal' | 'progress' | 'log' | 'identity';

/** What a call may reach. */
export interface Scope<Api> {
  /** The node's side: it checks every use, and is the only thing that a room's messages lead to. */
  readonly api: Api;
  /** The code used a part of the API, or was refused it, without asking the node: noted for the receipt. Never throws. */
  touched?(namespace: Namespace): void;
  /** What the code's side of the API says without asking. */
  facts(): ScopeFacts;
}

/** Plain JSON. */
export interface ScopeFacts {
  readonly module: string;
  readonly declared: readonly string[];
  /** Declared and granted when the call began; each use is checked again. */
  readonly granted: readonly string[];
  readonly config: JsonObject;
  /** ms since the epoch. */
  readonly now: number;
  /** Null where it is not granted. */
  readonly identity: CapabilityApi['identity'] | null;
  /** Public key of `seal`, where that is declared. */
  readonly sealKey: string | null;
}

export interface Run<T> {
  /**
   * What became of it; never rejects. After the signal's abort it ends within the grace, with the signal's reason unless
   * the code was quicker.
   */
  readonly ended: Promise<RunEnd<T>>;
  /** When nothing of it runs any more. Later than `ended` only for code that does not heed its signal and cannot be killed alone. */
  readonly gone: Promise<void>;
}

/** `value` is not validated yet. `thrown` is a `MeshError` of the node's, or what the code threw: see `describeFailure`. */
export type RunEnd<T> = ({ readonly value: T } | { readonly thrown: unknown }) & {
  /** Null where it cannot be told. */
  readonly use: RunUse | null;
};

/** Milliseconds between the abort and the kill, unless told: what heeds its signal needs a turn or two of its loop. */
export const GRACE_MS = 250;
