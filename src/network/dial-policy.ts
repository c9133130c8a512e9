import { networkInterfaces } from 'node:os';
import { CODE_P2P, type Multiaddr } from '@multiformats/multiaddr';
import type { Clock } from '../lib/clock.ts';
import { type Host, hostOf, hostOfIp } from './hosts.ts';
import { TokenBucket, type TokenBucketInit, TokenBuckets } from './token-bucket.ts';

export interface DialPolicyComponents {
  clock: Clock;
  /** Addresses that this node listens on or announces. */
  listening: () => Multiaddr[];
  /** IP addresses of this machine. */
  interfaces?: () => string[];
}

/** Ports below belong to services that are no node of a mesh, but for the two of the web. */
const FIRST_PORT = 1_024;
const WEB_PORTS: readonly number[] = [80, 443];
const HOSTS = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6']);
/** After the host: the transports that a claimed address may use. */
const TRANSPORTS = new Set(['tcp', 'tcp/ws', 'tcp/tls/ws', 'tcp/wss']);
/** Dials of claimed addresses, of everybody's together: invented nodes must not make this one knock at doors without end. */
const ALL: TokenBucketInit = { perSecond: 4, burst: 64 };
/** What dials for the sake of company alone leaves over, for those that have work to send. */
const LEFT_FOR_WORK = 32;
/** The same by one node that claims addresses: all of them, twice in a row. */
const PER_SOURCE: TokenBucketInit = { perSecond: 0.2, burst: 16 };
/** The same to one host, whoever claims it: a victim hears six knocks and then one in ten seconds. */
const TO_PUBLIC_HOST: TokenBucketInit = { perSecond: 0.1, burst: 6 };
/** Hosts of a private network and this machine run many nodes for one person. */
const TO_NEAR_HOST: TokenBucketInit = { perSecond: 1, burst: 64 };

/** Which addresses that strangers claim are dialled, and how often. What the operator names is none of its business. */
export class DialPolicy {
  readonly #components: DialPolicyComponents;
  readonly #all: TokenBucket;
  readonly #sources: TokenBuckets;
  readonly #hosts: TokenBuckets;

  constructor(components: DialPolicyComponents) {
    this.#components = components;
    this.#all = new TokenBucket(components, ALL);
    this.#sources = new TokenBuckets(components);
    this.#hosts = new TokenBuckets(components);
  }

  /**
   * A public IP address, or one of a network that this node is in: a private block that it has an address of, and
   * this machine only where the node listens on nothing else. No names: whoever owns a name decides where it leads.
   */
  allows(address: Multiaddr): boolean {
    const host = hostOf(address);
    if (host === undefined || !hasTransport(address)) return false;
    if (host.reach === 'private') return this.#ownBlocks().has(host.block);
    if (host.reach === 'loopback') return this.#isLoopbackOnly();
    return host.reach === 'public';
  }

  /** Whether a dial for company's sake may be tried: there is enough left for those with work. */
  get hasRoom(): boolean {
    return this.#all.left > LEFT_FOR_WORK;
  }

  /** Takes one dial of an address that `source` claims; false where it must not be dialled now. */
  take(source: string, address: Multiaddr): boolean {
    const host = hostOf(address);
    if (host === undefined) return false;
    const buckets = [
      this.#all,
      this.#sources.of(source, PER_SOURCE),
      this.#hosts.of(host.key, host.reach === 'public' ? TO_PUBLIC_HOST : TO_NEAR_HOST),
    ];
    if (buckets.some(({ left }) => left < 1)) return false;
    for (const bucket of buckets) bucket.take(1);
    return true;
  }

  #ownBlocks(): Set<string | null> {
    const { interfaces = interfaceAddresses } = this.#components;
    const hosts = interfaces().map(hostOfIp);
    return new Set(hosts.filter((host): host is Host => host?.reach === 'private').map(({ block }) => block));
  }

  #isLoopbackOnly(): boolean {
    return this.#components.listening().every((address) => hostOf(address)?.reach === 'loopback');
  }
}

function hasTransport(address: Multiaddr): boolean {
  const port = portOf(address);
  return port !== undefined && (port >= FIRST_PORT || WEB_PORTS.includes(port));
}

/** Of an address after whose host comes a transport that nodes have; undefined for any other. */
export function portOf(address: Multiaddr): number | undefined {
  const [host, ...rest] = address.getComponents().filter(({ name }) => name !== 'ip6zone');
  if (host === undefined || !HOSTS.has(host.name)) return undefined;
  const transport = rest.filter(({ code, name }) => code !== CODE_P2P && name !== 'sni');
  return TRANSPORTS.has(transport.map(({ name }) => name).join('/'))
    ? Number(transport[0]?.value)
    : undefined;
}

function interfaceAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap(
    (entries) => entries?.map(({ address }) => address) ?? [],
  );
}
