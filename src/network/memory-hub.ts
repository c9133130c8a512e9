import type { SessionNote } from '../../protocols/messages/v1/schema.ts';
import { type Clock, systemClock } from '../lib/clock.ts';

/** One frame or gossip message on its way, as `MemoryHub.intercept` sees it. */
export interface MemoryPacket {
  readonly from: string;
  readonly to: string;
  /** Null on the exchange stream. */
  readonly topic: string | null;
  /** Who published; the sender itself on the exchange stream. */
  readonly author: string;
  readonly bytes: Uint8Array;
  /** Of a gossip message; the same on every hop. */
  readonly id?: string;
}

/** `deliver` at once, `drop` silently, or a delay in milliseconds; later packets to the same node wait behind. */
export type PacketFate = 'deliver' | 'drop' | number;

/** What the hub tells and asks a node. */
export interface HubPort {
  connected(peer: string, direction: 'inbound' | 'outbound', roundTripMs: number): void;
  measured(peer: string, roundTripMs: number): void;
  disconnected(peer: string): void;
  receive(packet: MemoryPacket): void;
  /** Whether it takes the packet now; else the packet waits, and what is behind it, until `ready`. */
  takes(packet: MemoryPacket): boolean;
  subscribes(topic: string): boolean;
  shown(note: SessionNote, from: string): void;
}

interface Lane {
  packets: MemoryPacket[];
  bytes: number;
  moving: boolean;
}

/** Milliseconds between two nodes that were told nothing else: one machine. */
const DEFAULT_ROUND_TRIP_MS = 0.2;

/**
 * The wire between memory networks: links, and one lane of packets for each direction, in order. Everything is
 * delivered in its own microtask, so no handler runs inside the `send` of another node.
 */
export class MemoryHub {
  readonly #clock: Clock;
  readonly #nodes = new Map<string, HubPort>();
  readonly #links = new Set<string>();
  readonly #lanes = new Map<string, Lane>();
  readonly #roundTrips = new Map<string, number>();
  readonly #blocked = new Set<string>();
  #held: MemoryPacket[] | null = null;
  #intercept: (packet: MemoryPacket) => PacketFate = () => 'deliver';

  constructor(components: { clock?: Clock } = {}) {
    this.#clock = components.clock ?? systemClock;
  }

  /** Decides about every packet from now on. */
  intercept(decide: (packet: MemoryPacket) => PacketFate): void {
    this.#intercept = decide;
  }

  /** Keeps every packet back until `deliver` or `release`. */
  hold(): void {
    this.#held ??= [...this.#lanes.values()].flatMap((lane) => lane.packets);
  }

  /** Delivers up to `count` held packets, oldest first, those that are sent meanwhile included. Gives how many. */
  deliver(count = Number.POSITIVE_INFINITY): number {
    let delivered = 0;
    while (delivered < count) {
      const packet = this.#held?.shift();
      if (packet === undefined) break;
      this.#settle(packet);
      delivered++;
    }
    return delivered;
  }

  /** Delivers everything held, and holds no more. */
  release(): void {
    this.deliver();
    this.#held = null;
  }

  /** Cuts the connection; what was on its way is lost. Either side may dial again. */
  disconnect(a: string, b: string): void {
    if (!this.#links.delete(pair(a, b))) return;
    this.#lose(a, b);
    this.#nodes.get(a)?.disconnected(b);
    this.#nodes.get(b)?.disconnected(a);
  }

  /** Cuts every connection between the groups, and lets nobody dial across until `heal`. */
  partition(...groups: readonly (readonly string[])[]): void {
    groups.forEach((group, index) => {
      for (const other of groups.slice(index + 1).flat()) {
        for (const member of group) {
          this.#blocked.add(pair(member, other));
          this.disconnect(member, other);
        }
      }
    });
  }

  heal(): void {
    this.#blocked.clear();
  }

  /** Round trip in milliseconds that both ends measure, now and when they connect. */
  setRoundTrip(a: string, b: string, ms: number): void {
    this.#roundTrips.set(pair(a, b), ms);
    if (!this.linked(a, b)) return;
    this.#nodes.get(a)?.measured(b, ms);
    this.#nodes.get(b)?.measured(a, ms);
  }

  /** For `MemoryNetwork`. */
  join(node: string, port: HubPort): void {
    this.#nodes.set(node, port);
  }

  leave(node: string): void {
    for (const peer of this.neighbours(node)) this.disconnect(node, peer);
    this.#nodes.delete(node);
  }

  /** False where the other is not there or cannot be reached. */
  connect(from: string, to: string): boolean {
    const [dialler, target] = [this.#nodes.get(from), this.#nodes.get(to)];
    if (dialler === undefined || target === undefined || from === to) return false;
    if (this.linked(from, to)) return true;
    if (this.#blocked.has(pair(from, to))) return false;
    this.#links.add(pair(from, to));
    const roundTripMs = this.#roundTrips.get(pair(from, to)) ?? DEFAULT_ROUND_TRIP_MS;
    dialler.connected(to, 'outbound', roundTripMs);
    target.connected(from, 'inbound', roundTripMs);
    return true;
  }

  /** The node may take packets that waited for it. */
  ready(node: string): void {
    if (this.#held !== null) return;
    for (const [key, lane] of this.#lanes) if (lane.packets[0]?.to === node) this.#move(key, lane);
  }

  linked(a: string, b: string): boolean {
    return this.#links.has(pair(a, b));
  }

  neighbours(node: string): string[] {
    return [...this.#nodes.keys()].filter((other) => this.linked(node, other));
  }

  subscribers(node: string, topic: string): string[] {
    return this.neighbours(node).filter((peer) => this.#nodes.get(peer)?.subscribes(topic) === true);
  }

  /** Frames and bytes on their way from one node to another. */
  queued(from: string, to: string): { frames: number; bytes: number } {
    const lane = this.#lanes.get(direction(from, to));
    return { frames: lane?.packets.length ?? 0, bytes: lane?.bytes ?? 0 };
  }

  /** In a microtask of its own, as everything. */
  show(from: string, to: string, notes: readonly SessionNote[]): void {
    queueMicrotask(() => {
      for (const note of notes) this.#nodes.get(to)?.shown(note, from);
    });
  }

  transmit(packet: MemoryPacket): void {
    const key = direction(packet.from, packet.to);
    const lane = this.#lanes.get(key) ?? { packets: [], bytes: 0, moving: false };
    this.#lanes.set(key, lane);
    lane.packets.push(packet);
    lane.bytes += packet.bytes.length;
    if (this.#held === null) this.#move(key, lane);
    else this.#held.push(packet);
  }

  #move(key: string, lane: Lane): void {
    const packet = lane.packets[0];
    if (lane.moving || packet === undefined || this.#nodes.get(packet.to)?.takes(packet) === false) return;
    lane.moving = true;
    const fate = this.#intercept(packet);
    const arrive = (): void => {
      lane.moving = false;
      if (this.#lanes.get(key) !== lane || this.#held !== null) return;
      this.#settle(packet, fate);
      this.#move(key, lane);
    };
    if (typeof fate === 'number') this.#clock.after(fate, arrive);
    else queueMicrotask(arrive);
  }

  #settle(packet: MemoryPacket, fate: PacketFate = this.#intercept(packet)): void {
    const lane = this.#lanes.get(direction(packet.from, packet.to));
    const index = lane?.packets.indexOf(packet) ?? -1;
    if (lane === undefined || index < 0) return;
    lane.packets.splice(index, 1);
    lane.bytes -= packet.bytes.length;
    if (fate !== 'drop') this.#nodes.get(packet.to)?.receive(packet);
  }

  #lose(a: string, b: string): void {
    for (const key of [direction(a, b), direction(b, a)]) this.#lanes.delete(key);
    this.#held = this.#held?.filter((packet) => pair(packet.from, packet.to) !== pair(a, b)) ?? null;
  }
}

const direction = (from: string, to: string): string => `${from}>${to}`;
const pair = (a: string, b: string): string => (a < b ? `${a}|${b}` : `${b}|${a}`);
