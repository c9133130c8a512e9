import type { RunUse } from '../../../protocols/receipt/v1/schema.ts';
import type { MeshError } from '../../lib/errors.ts';

/** The node's end of the wall around one room: a thread, a process. It carries texts (`messages.ts`). */
export interface Channel {
  /** Called once, before anything is posted. */
  listen(listener: ChannelListener): void;
  /** To the room, in order; nothing happens where it is closed. */
  post(text: string): void;
  /** Ends the room at once, whatever it does; `closed` follows. Again is fine. */
  kill(): void;
  /**
   * Begins to measure a run, where the platform tells what a room takes without asking the room. `spent` is the processor
   * time, in milliseconds, that the room had taken when it was last heard of.
   */
  meter?(spent: number): Meter;
}

/** Of one run. */
export interface Meter {
  /** It has ended, and `reported` is what the room says of it; once. */
  finish(reported: RunUse | null): RunUse | null;
  /** What it has taken so far. */
  read(): Promise<RunUse | null>;
}

export interface ChannelListener {
  /** One message. A channel that reads bytes holds no more of a message than `MAX_MESSAGE_CHARS`. */
  message(text: string): void;
  /** The room is gone, killed or by itself, and nothing of it runs any more. Once; no message follows. */
  closed(why: MeshError): void;
}
