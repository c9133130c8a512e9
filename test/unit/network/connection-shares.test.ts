import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, it } from 'vitest';
import { ConnectionShares, type Transport } from '../../../src/network/connection-shares.ts';
import { DEFAULT_NETWORK_LIMITS, type NetworkLimits } from '../../../src/network/limits.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

class Line implements Transport {
  readonly remoteAddr;
  readonly #listeners: (() => void)[] = [];
  open = true;

  constructor(ip: string) {
    this.remoteAddr = multiaddr(`/ip4/${ip}/tcp/1000`);
  }

  async close(): Promise<void> {
    this.open = false;
    for (const listener of this.#listeners) listener();
  }

  abort(): void {
    void this.close();
  }

  addEventListener(_event: 'close', listener: () => void): void {
    this.#listeners.push(listener);
  }
}

function setup(limits: Partial<NetworkLimits> = {}, known: string[] = []) {
  const clock = new VirtualClock();
  const shares = new ConnectionShares(
    { clock, isKnown: (nodeId) => known.includes(nodeId) },
    { ...DEFAULT_NETWORK_LIMITS, maxConnections: 8, maxPerHost: 4, maxPerNearHost: 6, ...limits },
  );
  const join = (nodeId: string, ip: string, direction: 'inbound' | 'outbound' = 'inbound') => {
    const line = new Line(ip);
    return { admitted: shares.admits(nodeId, line, direction), line };
  };
  /** Strangers from as many hosts. */
  const crowd = (count: number, first = 1) =>
    Array.from({ length: count }, (_, index) => join(`s${first + index}`, `8.8.${first + index}.1`));
  return { clock, shares, join, crowd };
}

const open = (lines: { line: Line }[]): number => lines.filter(({ line }) => line.open).length;

describe('shares of the connections', () => {
  it('one host holds its share, and a near one more', async () => {
    const { join } = setup();
    const far = Array.from({ length: 9 }, (_, index) => join(`f${index}`, '8.8.8.8'));
    expect(far.filter(({ admitted }) => admitted)).toHaveLength(4);
    const { join: joinNear } = setup();
    const near = Array.from({ length: 9 }, (_, index) => joinNear(`n${index}`, '192.168.1.7'));
    expect(near.filter(({ admitted }) => admitted)).toHaveLength(6);
  });

  it('one identity holds four', () => {
    const { join } = setup();
    const lines = Array.from({ length: 6 }, (_, index) => join('same', `8.8.8.${index}`));
    expect(lines.map(({ admitted }) => admitted)).toEqual([true, true, true, true, false, false]);
  });

  it('strangers leave a quarter to peers that are known or useful', () => {
    const { shares, join, crowd } = setup({}, ['bootstrap']);
    expect(crowd(8).filter(({ admitted }) => admitted)).toHaveLength(6);
    shares.favour('worker');
    expect(join('bootstrap', '8.1.1.1').admitted).toBe(true);
    expect(join('worker', '8.1.1.2').admitted).toBe(true);
    expect(join('stranger', '8.1.1.3').admitted).toBe(false);
  });

  it('a newcomer takes the place of the stranger that was silent for longest, once it had its time', async () => {
    const { clock, shares, join, crowd } = setup();
    const lines = crowd(6);
    expect(join('early', '9.9.9.9').admitted).toBe(false);
    await clock.advance(10_000);
    for (const quiet of ['s1', 's2', 's4', 's5', 's6']) shares.heard(quiet);
    expect(join('newcomer', '9.9.9.9').admitted).toBe(true);
    expect(lines.map(({ line }) => line.open)).toEqual([true, true, false, true, true, true]);
  });

  it('the host with most connections makes room first, whoever was heard last', async () => {
    const { clock, shares, join, crowd } = setup();
    const lines = [join('a', '8.8.8.8'), join('b', '8.8.8.8'), join('c', '8.8.8.8')];
    const others = crowd(3);
    await clock.advance(10_000);
    shares.heard('a');
    shares.heard('b');
    shares.heard('c');
    expect(join('newcomer', '9.9.9.9').admitted).toBe(true);
    expect(open(lines)).toBe(2);
    expect(open(others)).toBe(3);
  });

  it('useful, known and chosen peers find a place where all are taken, and useful ones keep theirs', async () => {
    const { clock, shares, join, crowd } = setup({ maxConnections: 4 }, ['bootstrap']);
    const useful = crowd(2, 20);
    shares.favour('s20');
    shares.favour('s21');
    const strangers = crowd(2);
    await clock.advance(10_000);
    expect(join('bootstrap', '8.1.1.1').admitted).toBe(true);
    expect(join('provider', '8.1.1.2', 'outbound').admitted).toBe(true);
    expect(open(strangers)).toBe(0);
    expect(open(useful)).toBe(2);
    expect(join('another', '8.1.1.3', 'outbound').admitted).toBe(false);
  });

  it('only so many are favoured: the least recently useful become strangers again', async () => {
    const { clock, shares, join, crowd } = setup({ maxConnections: 4 });
    const lines = crowd(3);
    for (const useful of ['s1', 's2', 's3']) shares.favour(useful);
    await clock.advance(10_000);
    expect(join('newcomer', '9.9.9.9').admitted).toBe(true);
    await clock.advance(10_000);
    expect(join('another', '9.9.9.8').admitted).toBe(true);
    expect(lines.map(({ line }) => line.open)).toEqual([false, true, true]);
  });

  it('a place is free again when its connection has closed', async () => {
    const { join, crowd } = setup();
    const [first] = crowd(6);
    await first?.line.close();
    expect(join('next', '9.9.9.9').admitted).toBe(true);
  });

  it('one host makes only so many handshakes at once, and so many a second', async () => {
    const { clock, shares } = setup({ inboundConnectionsPerSecond: 20 });
    const lines = Array.from({ length: 12 }, () => new Line('8.8.8.8'));
    expect(lines.map((line) => shares.admitsHandshake(line)).filter(Boolean)).toHaveLength(10);
    expect(shares.admitsHandshake(new Line('8.8.4.4'))).toBe(true);
    for (const line of lines) await line.close();
    let admitted = 0;
    for (let count = 0; count < 50; count++) {
      const line = new Line('8.8.8.8');
      if (shares.admitsHandshake(line)) admitted++;
      await line.close();
    }
    expect(admitted).toBe(11);
    await clock.advance(1_000);
    expect(shares.admitsHandshake(new Line('8.8.8.8'))).toBe(true);
  });
});
