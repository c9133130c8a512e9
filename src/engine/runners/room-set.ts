import { abortError } from '../../lib/abort.ts';
import type { Clock } from '../../lib/clock.ts';
import { MeshError } from '../../lib/errors.ts';
import { Deferred } from './deferred.ts';
import type { Room, RoomCode } from './room.ts';
import type { Run, RunEnd } from './runner.ts';

/** Milliseconds before the next room is opened, after so many in a row that ended before any work in them did. */
const BACK_OFF_MS = { first: 100, most: 5_000 } as const;
/** Rooms that were replaced and wait for the last of their runs; more of them are closed, whatever runs there. */
const MAX_RETIRED = 2;
/** A room that nobody uses gives its memory back: soon where it was opened for a look at the code only. */
const IDLE_MS = { looked: 5_000, worked: 600_000 } as const;

export interface RoomSetComponents {
  clock: Pick<Clock, 'after' | 'monotonic'>;
  open: (onRetired: () => void) => Room;
}

export interface RoomSetInit {
  rooms: number;
  /** Runs at once in one room. */
  perRoom: number;
}

interface Place {
  readonly room: Room;
  readonly modules: Set<string>;
  used: number;
  /** Whether anything came of it. */
  worked: boolean;
  cancelIdle: () => void;
}

/** Rooms of one kind that are opened when they are needed, stay warm, and are replaced when they end. */
export class RoomSet {
  readonly #components: RoomSetComponents;
  readonly #init: RoomSetInit;
  readonly #places = new Set<Place>();
  readonly #retired = new Set<Place>();
  /** Who waits for a room, in order. Bounded by the queue in front of all runs. */
  readonly #waiting = new Set<() => void>();
  #looking: Promise<unknown> = Promise.resolve();
  #fruitless = 0;
  #notBefore = 0;
  #stopped: MeshError | undefined;

  constructor(components: RoomSetComponents, init: RoomSetInit) {
    this.#components = components;
    this.#init = init;
  }

  /** Loads a module to see whether it can be, one after the other, so that one room does for all. Throws as `Room.load` does. */
  load(code: RoomCode): Promise<{ probe: boolean }> {
    const loaded = this.#looking.then(() => this.#load(code));
    this.#looking = loaded.catch(() => {});
    return loaded;
  }

  async #load(code: RoomCode): Promise<{ probe: boolean }> {
    const place = await this.#enter(code, undefined);
    try {
      return await place.room.load(code);
    } finally {
      this.#leave(place);
    }
  }

  /** `begin` is called when there is a room that has loaded the code. */
  run<T>(code: RoomCode, signal: AbortSignal, begin: (room: Room) => Run<T>): Run<T> {
    const gone = new Deferred<void>();
    const ended = this.#run(code, signal, begin, gone);
    return { ended, gone: gone.promise };
  }

  /** Ends all rooms in which something of the module runs. */
  kill(module: string, reason: MeshError): void {
    for (const { room } of [...this.#places, ...this.#retired]) if (room.runs(module)) room.kill(reason);
  }

  async stop(reason: MeshError): Promise<void> {
    this.#stopped = reason;
    const rooms = [...this.#places, ...this.#retired].map(({ room }) => room);
    for (const room of rooms) room.kill(reason);
    this.#wake();
    await Promise.all(rooms.map(({ gone }) => gone));
  }

  async #run<T>(
    code: RoomCode,
    signal: AbortSignal,
    begin: (room: Room) => Run<T>,
    gone: Deferred<void>,
  ): Promise<RunEnd<T>> {
    try {
      const place = await this.#enter(code, signal);
      const run = begin(place.room);
      void run.gone.then(() => {
        this.#leave(place);
        gone.resolve();
      });
      const end = await run.ended;
      // Whoever gave up a run makes a room end that was in order.
      if ('value' in end || signal.aborted) place.worked = true;
      return end;
    } catch (error) {
      gone.resolve();
      return { thrown: signal.aborted ? abortError(signal) : unloadable(code, error), use: null };
    }
  }

  /** A room with the code in it, and a place there. */
  async #enter(code: RoomCode, signal: AbortSignal | undefined): Promise<Place> {
    for (;;) {
      if (signal?.aborted || this.#stopped !== undefined) {
        // Whoever is next in line has not been told of what became free.
        this.#wake();
        throw this.#stopped ?? (signal === undefined ? undefined : abortError(signal));
      }
      const place = this.#pick(code.id) ?? this.#open();
      if (place === undefined) {
        await this.#turn(signal);
        continue;
      }
      place.cancelIdle();
      place.used++;
      place.modules.add(code.id);
      try {
        await place.room.load(code);
        // A place in a room that was closed meanwhile is none.
        if (!place.room.retired) return place;
      } catch (error) {
        this.#leave(place);
        throw error;
      }
      this.#leave(place);
    }
  }

  /** A free one; rather one that has the module. */
  #pick(module: string): Place | undefined {
    const free = [...this.#places].filter(({ used }) => used < this.#init.perRoom);
    return free.find(({ modules }) => modules.has(module)) ?? free[0];
  }

  #open(): Place | undefined {
    if (this.#places.size >= this.#init.rooms) return undefined;
    const { clock, open } = this.#components;
    const wait = this.#notBefore - clock.monotonic();
    if (wait > 0) {
      clock.after(wait, () => this.#wake());
      return undefined;
    }
    const place: Place = {
      room: open(() => this.#retire(place)),
      modules: new Set(),
      used: 0,
      worked: false,
      cancelIdle: () => {},
    };
    this.#places.add(place);
    void place.room.gone.then(() => this.#gone(place));
    return place;
  }

  #retire(place: Place): void {
    place.cancelIdle();
    if (!this.#places.delete(place)) return;
    this.#retired.add(place);
    const [oldest] = this.#retired;
    if (this.#retired.size > MAX_RETIRED) {
      oldest?.room.kill(new MeshError('interrupted', 'The room was closed, since code in it did not stop.'));
    }
    this.#wake();
  }

  #gone(place: Place): void {
    this.#retired.delete(place);
    if (place.worked) this.#fruitless = 0;
    else {
      const delay = Math.min(BACK_OFF_MS.first * 2 ** this.#fruitless++, BACK_OFF_MS.most);
      this.#notBefore = this.#components.clock.monotonic() + delay;
    }
    this.#wake();
  }

  #leave(place: Place): void {
    place.used--;
    if (place.used === 0 && !place.room.retired) {
      place.cancelIdle = this.#components.clock.after(place.worked ? IDLE_MS.worked : IDLE_MS.looked, () => {
        place.worked = true;
        place.room.kill(new MeshError('internal', 'The room was not used.'));
      });
    }
    this.#wake();
  }

  #turn(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        signal?.removeEventListener('abort', go);
        this.#waiting.delete(go);
        resolve();
      };
      signal?.addEventListener('abort', go, { once: true });
      this.#waiting.add(go);
    });
  }

  /** The first in line looks again; if it finds nothing, it is last. Only as many as can find something are woken. */
  #wake(): void {
    const [first] = this.#waiting;
    first?.();
  }
}

/** A failure to load is this node's, and another may do better. */
function unloadable({ id }: RoomCode, error: unknown): unknown {
  const { code, message } = error instanceof Error && 'code' in error ? error : { code: '', message: '' };
  if (code === 'integrity_lock') return new MeshError('integrity_lock', message);
  if (code !== 'config_invalid') return error;
  return new MeshError('capability_unavailable', `The module ${id} cannot be loaded: ${message}`);
}
