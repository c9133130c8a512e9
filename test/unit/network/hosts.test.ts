import { multiaddr } from '@multiformats/multiaddr';
import { expect, it } from 'vitest';
import { hostOf, hostOfIp, isNear } from '../../../src/network/hosts.ts';

it.each([
  ['127.0.0.1', '127.0.0.1', 'loopback'],
  ['::1', '0:0:0:0::/64', 'loopback'],
  ['10.1.2.3', '10.1.2.3', 'private'],
  ['172.31.0.1', '172.31.0.1', 'private'],
  ['172.32.0.1', '172.32.0.1', 'public'],
  ['100.64.0.9', '100.64.0.9', 'private'],
  ['169.254.1.1', '169.254.1.1', 'private'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64', 'private'],
  ['fd00:1:2:3:4:5:6:7', 'fd00:1:2:3::/64', 'private'],
  ['8.8.8.8', '8.8.8.8', 'public'],
  ['2a00:1450:4001:0810::200e', '2a00:1450:4001:810::/64', 'public'],
  ['2a00:1450:4001:810:ffff::1', '2a00:1450:4001:810::/64', 'public'],
  ['::ffff:8.8.8.8', '8.8.8.8', 'public'],
  ['0.0.0.0', '0.0.0.0', 'special'],
  ['224.0.0.1', '224.0.0.1', 'special'],
  ['255.255.255.255', '255.255.255.255', 'special'],
  ['198.51.100.7', '198.51.100.7', 'special'],
  ['2001:db8::1', '2001:db8:0:0::/64', 'special'],
  ['ff02::1', 'ff02:0:0:0::/64', 'special'],
])('%s is %s, %s', (ip, key, reach) => {
  expect(hostOfIp(ip)).toMatchObject({ key, reach });
});

it('knows the block of a private address, and no host behind a name', () => {
  expect(hostOf(multiaddr('/ip4/192.168.7.9/tcp/1'))).toMatchObject({ block: '192.168.0.0/16' });
  expect(hostOf(multiaddr('/ip6zone/eth0/ip6/fe80::1/tcp/1'))).toMatchObject({ block: 'fe80::/10' });
  expect(hostOf(multiaddr('/dns4/example.org/tcp/1'))).toBeUndefined();
  expect(hostOfIp('nonsense')).toBeUndefined();
  expect([hostOfIp('10.0.0.1'), hostOfIp('8.8.8.8'), undefined].map(isNear)).toEqual([true, false, false]);
});
