import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import type { ErrorBody } from '../../../protocols/common/v1/errors.ts';
import { appendHistory } from '../../store/lifecycle.ts';
import type { CapsuleStatus } from '../../store/types.ts';
import type { Change, Note, Reply, Write } from './effect.ts';
import type { Care, Phase, State, Work } from './state.ts';

/** What holds on this node; durations in milliseconds. */
export interface Limits {
  /** Between two signs of life of an executor. */
  heartbeatMs: number;
  /** How long a lost connection is forgiven. */
  graceMs: number;
  /** Longest run where the capsule says nothing. */
  maxRunMs: number;
  /** How long an order may go unanswered. */
  acceptTimeoutMs: number;
  /** How long a provider is sought for a capsule without `expiresAt`, and where nobody knows its capability. */
  searchMs: number;
  hopelessMs: number;
  /** How long the outcome of lost work that may not run twice is waited for. */
  learnMs: number;
  /** First pause before a node that failed is asked again; it doubles. */
  retryMs: number;
  /** How long an outcome is offered: for others, and for a stranger's free work. */
  deliverMs: number;
  deliverStrangerMs: number;
  /** Retries for a capsule whose policy says nothing. */
  maxRetries: number;
}

export const LONGEST_RETRY_PAUSE_MS = 60_000;

/** Where and when a step is taken. */
export interface Setting {
  /** This node, and its key. */
  self: string;
  identity: string;
  now: number;
  limits: Limits;
}

/** One change in the making. Everything about it is replaced, nothing mutated in place. */
export class Draft {
  state: State;
  readonly capsule: Capsule;
  readonly setting: Setting;
  readonly #before: State | undefined;
  readonly #writes: Write[] = [];
  readonly #replies: Reply[] = [];
  readonly #notes: Note[] = [];

  constructor(state: State, capsule: Capsule, setting: Setting, before: State | undefined = state) {
    this.state = state;
    this.capsule = capsule;
    this.setting = setting;
    this.#before = before;
  }

  get now(): number {
    return this.setting.now;
  }

  get care(): Care | null {
    return this.state.life.care;
  }

  get work(): Work | null {
    return this.state.life.work;
  }

  set(fields: Partial<Omit<State, 'life' | 'status' | 'open' | 'history'>>): void {
    this.state = { ...this.state, ...fields };
  }

  /** Moves to another status that is not an end; `note` is one short sentence for a person. */
  become(status: Exclude<CapsuleStatus, 'completed' | 'failed'>, note?: string): void {
    if (this.state.status === status && note === undefined) return;
    this.#enter(status, { status }, note);
  }

  /** The one place where a capsule ends on a node. Its roles may still owe something: a delivery, an answer. */
  end(
    status: 'completed' | 'failed',
    how: { error: ErrorBody | null; executor?: string | null; receiptHash?: string | null; note?: string },
  ): void {
    const { error, executor = this.state.executor, receiptHash = this.state.receiptHash, note } = how;
    this.#enter(status, { status, error, executor, receiptHash }, note);
    if (this.care !== null) this.to({ kind: 'ended' });
  }

  #enter(status: CapsuleStatus, fields: Partial<State>, note: string | undefined): void {
    const entry = { at: this.now, status, ...(note !== undefined && { note }) };
    this.state = { ...this.state, ...fields, history: appendHistory(this.state.history, entry) };
  }

  tend(care: Partial<Care>): void {
    const before = this.care;
    if (before === null) throw new TypeError('This node has no care of the capsule.');
    this.state = { ...this.state, life: { ...this.state.life, care: { ...before, ...care } } };
  }

  to(phase: Phase): void {
    this.tend({ phase });
  }

  do(work: Work): void {
    this.state = { ...this.state, life: { ...this.state.life, work } };
  }

  write(write: Write): void {
    this.#writes.push(write);
  }

  reply(reply: Reply): void {
    this.#replies.push(reply);
  }

  note(note: Note): void {
    this.#notes.push(note);
  }

  finish(): Change {
    const changed = this.state !== this.#before;
    const { care, work } = this.state.life;
    const open =
      (care !== null && care.phase.kind !== 'ended') || (work !== null && work.kind !== 'delivered');
    const state = changed ? { ...this.state, open, updatedAt: this.now } : this.state;
    return { state, writes: this.#writes, replies: this.#replies, notes: this.#notes };
  }
}
