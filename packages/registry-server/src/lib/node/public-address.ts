import { BlockList, isIP } from "node:net";

type Range = readonly [address: string, prefix: number];

function listOf(family: "ipv4" | "ipv6", ranges: readonly Range[]): BlockList {
  const list = new BlockList();
  for (const [address, prefix] of ranges) list.addSubnet(address, prefix, family);
  return list;
}

/** What RFC 6890 and its registry do not call globally reachable. */
const SPECIAL_V4: BlockList = listOf("ipv4", [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
]);
/** The only block that is given out (RFC 4291 §2.4), and what in it leads elsewhere. */
const GLOBAL_V6: BlockList = listOf("ipv6", [["2000::", 3]]);
const SPECIAL_V6: BlockList = listOf("ipv6", [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
]);
const MAPPED: BlockList = listOf("ipv6", [["::ffff:0:0", 96]]);
/** Addresses that translators make of IPv4 ones (RFC 6052). */
const TRANSLATED: BlockList = listOf("ipv6", [["64:ff9b::", 96]]);

/** The sixteen bytes of an IPv6 address as its eight groups. */
function groupsOf(address: string): readonly number[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const text =
    dotted === null
      ? address
      : `${dotted[1]}${((Number(dotted[2]) << 8) | Number(dotted[3])).toString(16)}:${((Number(dotted[4]) << 8) | Number(dotted[5])).toString(16)}`;
  const [head = "", tail] = text.split("::");
  const parse = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  if (tail === undefined) return parse(head);
  const [left, right] = [parse(head), parse(tail)];
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
}

/** The IPv4 address in the last four bytes. */
function embedded(address: string): string {
  const [high = 0, low = 0] = groupsOf(address).slice(6);
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

/** Whether an IP address (no name, no brackets) is one of the public Internet. */
export function isPublicAddress(address: string): boolean {
  const plain = address.split("%")[0]!;
  const family = isIP(plain);
  if (family === 4) return !SPECIAL_V4.check(plain, "ipv4");
  if (family !== 6 || plain !== address) return false;
  if (MAPPED.check(plain, "ipv6") || TRANSLATED.check(plain, "ipv6")) return isPublicAddress(embedded(plain));
  return GLOBAL_V6.check(plain, "ipv6") && !SPECIAL_V6.check(plain, "ipv6");
}
