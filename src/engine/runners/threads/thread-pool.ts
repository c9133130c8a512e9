import type { Logger } from 'pino';
import type { Clock } from '../../../lib/clock.ts';
import { MeshError } from '../../../lib/errors.ts';
import type { Availability } from '../../capability.ts';
import { Room, type RoomCode } from '../room.ts';
import { RoomSet } from '../room-set.ts';
import {
  type CallRequest,
  GRACE_MS,
  type LoadedModule,
  type ModuleCode,
  type ProbeRequest,
  type Run,
  type Runner,
} from '../runner.ts';
import { ThreadChannel } from './thread-channel.ts';

/** For loading one module: the largest takes a tenth of a second on a quiet machine. */
const LOAD_MS = 20_000;

export const DEFAULT_THREAD_POOL_INIT = {
  /** Threads for work that computes. One more is opened where all are taken and the owner's own work waits. */
  computing: 2,
  memoryMb: 512,
  graceMs: GRACE_MS,
} as const;

export interface ThreadPoolInit {
  computing?: number;
  /** Megabytes of one thread. */
  memoryMb?: number;
  graceMs?: number;
}

/**
 * Threads for modules that came with the node. What computes has a thread to itself while it runs, so a run that is killed
 * takes nobody with it; what only waits for something outside shares one.
 */
export class ThreadPool implements Runner {
  readonly kind = 'thread';
  readonly #computing: RoomSet;
  readonly #waiting: RoomSet;
  readonly #slots: number;

  constructor(components: { clock: Clock; log: Pick<Logger, 'warn'> }, init: ThreadPoolInit = {}) {
    const { computing, memoryMb, graceMs } = { ...DEFAULT_THREAD_POOL_INIT, ...init };
    const { clock } = components;
    const open = (onRetired: () => void): Room => {
      const channel = new ThreadChannel({ clock }, { memoryMb });
      return new Room({ ...components, channel }, { graceMs, loadMs: LOAD_MS, onRetired });
    };
    this.#slots = computing + 1;
    this.#computing = new RoomSet({ clock, open }, { rooms: this.#slots, perRoom: 1 });
    this.#waiting = new RoomSet({ clock, open }, { rooms: 1, perRoom: Number.POSITIVE_INFINITY });
  }

  async start(code: ModuleCode): Promise<LoadedModule> {
    const { id, codeHash, from } = code;
    if (!('folder' in from)) throw new MeshError('config_invalid', `The module ${id} lies in no folder.`);
    const room: RoomCode = { id, codeHash, from };
    const waits = code.permissions.some(isOutside);
    const set = waits ? this.#waiting : this.#computing;
    const { probe } = await set.load(room);
    const slots = waits ? null : { key: 'threads', concurrency: this.#slots };
    return new ThreadModule(room, { set, probes: this.#waiting, hasProbe: probe, slots });
  }

  async stop(): Promise<void> {
    const reason = new MeshError('interrupted', 'The node stopped before the work was done.');
    await Promise.all([this.#computing.stop(reason), this.#waiting.stop(reason)]);
  }
}

/** Code with none of these can do nothing but compute. */
function isOutside(permission: string): boolean {
  return permission === 'models' || permission === 'storage' || permission.startsWith('network:');
}

interface ThreadModuleInit {
  set: RoomSet;
  /** Where its probe runs, so that it never waits behind work. */
  probes: RoomSet;
  hasProbe: boolean;
  slots: LoadedModule['slots'];
}

class ThreadModule implements LoadedModule {
  readonly hasProbe: boolean;
  readonly slots: LoadedModule['slots'];
  readonly closed = null;
  readonly #code: RoomCode;
  readonly #set: RoomSet;
  readonly #probes: RoomSet;

  constructor(code: RoomCode, { set, probes, hasProbe, slots }: ThreadModuleInit) {
    this.#code = code;
    this.#set = set;
    this.#probes = probes;
    this.hasProbe = hasProbe;
    this.slots = slots;
  }

  call(request: CallRequest): Run<unknown> {
    return this.#set.run(this.#code, request.signal, (room) => room.call(this.#code.id, request));
  }

  probe(request: ProbeRequest): Run<Availability> {
    return this.#probes.run(this.#code, request.signal, (room) => room.probe(this.#code.id, request));
  }

  kill(reason: MeshError): void {
    this.#set.kill(this.#code.id, reason);
  }
}
