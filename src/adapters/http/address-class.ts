/**
 * What kind of network an IP address leads to, in whatever spelling it comes. `forbidden` addresses are never connected to: the machine's
 * own metadata services, which hand out credentials, and what is no single host. Pure; used by host-policy.ts.
 */
import { BlockList, isIP } from 'node:net';

export type AddressClass = 'public' | 'private' | 'forbidden';

/** Link-local with the metadata services of most clouds; "this network"; multicast, reserved, broadcast; metadata of Alibaba, Azure, Oracle. */
const forbiddenV4 = [
  '0.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/3',
  '100.100.100.200/32',
  '168.63.129.16/32',
  '192.0.0.192/32',
];
/** Loopback, private use, shared and special-purpose blocks (IANA registry, RFC 6890). */
const privateV4 = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
];
/** Link-local, site-local, multicast; metadata of AWS and Google; tunnels that carry an IPv4 address inside (6to4, Teredo, local NAT64). */
const forbiddenV6 = [
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
  'fd00:ec2::254/128',
  'fd20:ce::254/128',
  '2002::/16',
  '2001::/32',
  '64:ff9b:1::/48',
];
const privateV6 = ['fc00::/7', '100::/64', '2001:db8::/32'];

const lists = {
  forbidden: { ipv4: listOf('ipv4', forbiddenV4), ipv6: listOf('ipv6', forbiddenV6) },
  private: { ipv4: listOf('ipv4', privateV4), ipv6: listOf('ipv6', privateV6) },
};

/** What is no IP address is forbidden. */
export function classOf(address: string): AddressClass {
  const plain = address.replace(/%.*$/, '');
  const family = isIP(plain);
  if (family === 4) return classIn('ipv4', plain);
  if (family !== 6) return 'forbidden';
  const groups = groupsOf(plain);
  const high = groups.slice(0, 5).every((group) => group === 0);
  // ::ffff:a.b.c.d, and the same through a NAT64 gateway.
  if ((high && groups[5] === 0xffff) || isNat64(groups)) return classIn('ipv4', lastV4(groups));
  if (high && groups[5] === 0) return groups[6] === 0 && groups[7] === 1 ? 'private' : 'forbidden';
  return classIn('ipv6', plain);
}

function classIn(family: 'ipv4' | 'ipv6', address: string): AddressClass {
  if (lists.forbidden[family].check(address, family)) return 'forbidden';
  return lists.private[family].check(address, family) ? 'private' : 'public';
}

function listOf(family: 'ipv4' | 'ipv6', subnets: readonly string[]): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [network, bits] = subnet.split('/');
    list.addSubnet(network!, Number(bits), family);
  }
  return list;
}

/** The eight 16-bit groups of a valid IPv6 address. */
function groupsOf(address: string): number[] {
  // The URL parser writes every spelling in one way, also a dotted end.
  const text = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = text.split('::');
  const front = hexGroups(head);
  if (tail === undefined) return front;
  const back = hexGroups(tail);
  return [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back];
}

function hexGroups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

function isNat64(groups: readonly number[]): boolean {
  return groups[0] === 0x64 && groups[1] === 0xff9b && groups.slice(2, 6).every((group) => group === 0);
}

function lastV4(groups: readonly number[]): string {
  const [high, low] = [groups[6]!, groups[7]!];
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}
