import type { ExchangeMessage } from '../../protocols/messages/v1/schema.ts';
import type { MemoryHub, MemoryPacket, PacketFate } from '../../src/network/memory-hub.ts';
import type { VirtualClock } from '../support/virtual-clock.ts';
import type { Trace } from './trace.ts';

/** Times are multiples of this, so that what is due together is handled together. */
const TICK_MS = 5;
/** One way, mostly, and at worst, in ms. */
const USUAL_MS = 30;
const SLOW_MS = 3_000;

/** How bad the wire is: parts of all packets. */
export interface Weather {
  lost: number;
  doubled: number;
  /** Overtakes, or is overtaken. */
  unordered: number;
  slow: number;
}

export const CLEAR: Weather = { lost: 0, doubled: 0, unordered: 0, slow: 0 };

interface WireParts {
  hub: MemoryHub;
  clock: VirtualClock;
  random: () => number;
  trace: Trace;
  nameOf: (nodeId: string) => string;
}

/**
 * Decides about every packet of the hub. A packet that is late is taken from its lane and put back when it is due, so
 * that it delays nobody else.
 */
export class Wire {
  weather: Weather = CLEAR;
  /** Directions in which nothing passes. */
  readonly mute = new Set<string>();
  packets = 0;
  readonly #parts: WireParts;
  readonly #due = new Set<MemoryPacket>();
  /** When the last packet of a direction arrives. */
  readonly #arrivals = new Map<string, number>();

  constructor(parts: WireParts) {
    this.#parts = parts;
    parts.hub.intercept((packet) => this.#fate(packet));
  }

  static direction(from: string, to: string): string {
    return `${from}>${to}`;
  }

  #fate(packet: MemoryPacket): PacketFate {
    const { clock, hub, random, trace } = this.#parts;
    if (this.#due.delete(packet)) {
      trace.note(clock.monotonic(), packet.from, packet.to, packet.bytes);
      if (trace.isWatching) this.#describe(packet, 'to');
      return 'deliver';
    }
    const direction = Wire.direction(packet.from, packet.to);
    // Gossip only finds providers: its losses cost time, its delays nothing.
    if (packet.topic !== null) return this.mute.has(direction) ? 'drop' : 'deliver';
    this.packets++;
    const { lost, doubled, unordered, slow } = this.weather;
    const lot = random();
    if (this.mute.has(direction) || lot < lost) {
      if (trace.isWatching) this.#describe(packet, 'LOST to');
      return 'drop';
    }
    const now = clock.monotonic();
    const delay = (lot < lost + slow ? SLOW_MS : USUAL_MS) * random();
    const own = (Math.floor((now + delay) / TICK_MS) + 1) * TICK_MS;
    const overtakes = random() < unordered;
    const at = overtakes ? own : Math.max(own, this.#arrivals.get(direction) ?? 0);
    if (!overtakes) this.#arrivals.set(direction, at);
    const arrive = (): void => {
      if (!hub.linked(packet.from, packet.to)) return;
      this.#due.add(packet);
      hub.transmit(packet);
    };
    clock.after(at - now, arrive);
    if (random() < doubled) clock.after(at - now + TICK_MS * Math.ceil(random() * 100), arrive);
    return 'drop';
  }

  #describe({ from, to, topic, bytes }: MemoryPacket, way: string): void {
    const { trace, clock, nameOf } = this.#parts;
    if (topic !== null) return;
    const message: ExchangeMessage = JSON.parse(Buffer.from(bytes).toString());
    const id = capsuleOf(message);
    if (id === undefined || !trace.watches(id)) return;
    trace.say(
      clock.monotonic(),
      `${nameOf(from)} ${way} ${nameOf(to)}: ${message.type} ${id.slice(0, 8)}${details(message)}`,
    );
  }
}

function capsuleOf(message: ExchangeMessage): string | undefined {
  if (message.type === 'capsule_data') return message.capsule.id;
  return 'capsuleId' in message && message.capsuleId !== null ? message.capsuleId : undefined;
}

function details(message: ExchangeMessage): string {
  switch (message.type) {
    case 'capsule_data':
      return `, epoch ${message.assignment?.epoch}`;
    case 'capsule_accept':
      return ` of ${message.of}, epoch ${message.epoch}`;
    case 'capsule_decline':
      return ` of ${message.of}, epoch ${message.epoch}: ${message.code}`;
    case 'capsule_result':
      return `, epoch ${message.assignment.epoch}: ${message.status} ${message.receipt.error?.code ?? ''}`;
    case 'capsule_cancel':
    case 'capsule_progress':
    case 'capsule_result_request':
      return `, epoch ${message.epoch}`;
    default:
      return '';
  }
}
