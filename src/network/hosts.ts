import { BlockList, isIP } from 'node:net';
import type { Multiaddr } from '@multiformats/multiaddr';

/** `special` is nobody's address to be reached at: unspecified, multicast, documentation, reserved. */
export type Reach = 'loopback' | 'private' | 'public' | 'special';

export interface Host {
  /** What counts as one host: an IPv4 address, or the /64 that one IPv6 host can choose addresses from. */
  key: string;
  reach: Reach;
  /** The block of addresses that it is in where it is private, such as `192.168.0.0/16`. */
  block: string | null;
}

const LOOPBACK = blockOf(['127.0.0.0/8', '::1/128']);
/** Private by RFC 1918, 4193 and 6598 (carriers and VPNs), and link-local. */
const PRIVATE = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
  'fc00::/7',
  'fe80::/10',
].map((name) => ({ name, block: blockOf([name]) }));
const SPECIAL = blockOf([
  '0.0.0.0/8',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
  '::/128',
  '64:ff9b::/96',
  '100::/64',
  '2001:db8::/32',
  'ff00::/8',
]);
const MAPPED_IPV4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
const PREFIX_GROUPS = 4;

/** Host of an IP address; undefined where it is none. */
export function hostOfIp(text: string): Host | undefined {
  const ip = MAPPED_IPV4.exec(text)?.[1] ?? text;
  const version = isIP(ip);
  if (version === 0) return undefined;
  const family = version === 4 ? 'ipv4' : 'ipv6';
  const key = version === 4 ? ip : prefixOf(ip);
  if (LOOPBACK.check(ip, family)) return { key, reach: 'loopback', block: null };
  const near = PRIVATE.find(({ block }) => block.check(ip, family));
  if (near !== undefined) return { key, reach: 'private', block: near.name };
  return { key, reach: SPECIAL.check(ip, family) ? 'special' : 'public', block: null };
}

/** Host of an address that begins with an IP; undefined for names and relays. */
export function hostOf(address: Multiaddr): Host | undefined {
  const components = address.getComponents().filter(({ name }) => name !== 'ip6zone');
  const first = components[0];
  return first?.name === 'ip4' || first?.name === 'ip6' ? hostOfIp(first.value ?? '') : undefined;
}

/** The same machine, or a private network. */
export function isNear(host: Host | undefined): boolean {
  return host?.reach === 'loopback' || host?.reach === 'private';
}

function prefixOf(ip: string): string {
  const [head = '', tail] = ip.toLowerCase().split('%', 1)[0]?.split('::') ?? [];
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - rest.length);
  const all = [...groups, ...new Array<string>(zeros).fill('0'), ...rest].map((group) =>
    Number.parseInt(group, 16).toString(16),
  );
  return `${all.slice(0, PREFIX_GROUPS).join(':')}::/64`;
}

function blockOf(names: readonly string[]): BlockList {
  const block = new BlockList();
  for (const name of names) {
    const [ip = '', bits = ''] = name.split('/');
    block.addSubnet(ip, Number(bits), isIP(ip) === 4 ? 'ipv4' : 'ipv6');
  }
  return block;
}
