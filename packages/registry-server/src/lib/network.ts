import { isIP } from "node:net";

/** A range of addresses, or one address as a range of its own. */
interface Network {
  /** Bits of an address of its family: 32 or 128. */
  readonly width: 32 | 128;
  /** The address that it begins with. */
  readonly first: bigint;
  readonly prefix: number;
}

interface Address {
  readonly width: 32 | 128;
  readonly value: bigint;
}

/** The first 96 bits of IPv4 addresses in the form of IPv6 (RFC 4291 §2.5.5.2). */
const MAPPED = 0xffffn;
const V4_WIDTH = 32;
const V6_WIDTH = 128;

function valueOfV4(text: string): bigint {
  return text.split(".").reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function groupsOf(text: string): bigint[] {
  if (text === "") return [];
  return text
    .split(":")
    .flatMap((group) =>
      group.includes(".") ? [valueOfV4(group) >> 16n, valueOfV4(group) & 0xffffn] : [BigInt(`0x${group}`)],
    );
}

function valueOfV6(text: string): bigint {
  const [head = "", tail] = text.split("::");
  const [left, right] = [groupsOf(head), groupsOf(tail ?? "")];
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => 0n);
  return [...left, ...zeros, ...right].reduce((value, group) => (value << 16n) | group, 0n);
}

/** An address with its IPv4 form where it is one in IPv6's clothes: a socket for both families shows clients so. */
function addressOf(text: string): Address | undefined {
  const family = isIP(text);
  if (family === 4) return { width: V4_WIDTH, value: valueOfV4(text) };
  if (family !== 6 || text.includes("%")) return undefined;
  const value = valueOfV6(text);
  return value >> 32n === MAPPED ? { width: V4_WIDTH, value: value & 0xffff_ffffn } : { width: V6_WIDTH, value };
}

/** The address that a proxy tells, without the port, brackets or zone that some add. */
function clientOf(text: string): Address | undefined {
  const bracketed = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(text)?.[1];
  const ported = /^([\d.]+):\d{1,5}$/.exec(text)?.[1];
  return addressOf((bracketed ?? ported ?? text).split("%")[0]!);
}

function networkOf(text: string): Network | undefined {
  const [, base = "", length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const address = addressOf(base);
  if (address === undefined) return undefined;
  const written = length === undefined ? undefined : Number(length);
  // Of an IPv4 address in the form of IPv6, the first 96 bits are the form's.
  const mapped = address.width === V4_WIDTH && isIP(base) === 6;
  const prefix = written === undefined || !mapped ? written : written - (V6_WIDTH - V4_WIDTH);
  if (prefix !== undefined && (prefix < 0 || prefix > address.width)) return undefined;
  return { width: address.width, first: address.value, prefix: prefix ?? address.width };
}

function start({ width, first, prefix }: Network): bigint {
  const rest = BigInt(width - prefix);
  return (first >> rest) << rest;
}

function textOfV6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, at) => ((value >> BigInt(112 - 16 * at)) & 0xffffn).toString(16));
  // The URL parser writes addresses in their one short form (RFC 5952).
  return new URL(`http://[${groups.join(":")}]/`).hostname.slice(1, -1);
}

function textOf(network: Network): string {
  const value = start(network);
  const base =
    network.width === V6_WIDTH
      ? textOfV6(value)
      : [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 0xffn)).join(".");
  return `${base}/${network.prefix}`;
}

/** What is wrong with the text of a network, `undefined` where nothing is. */
export function networkProblem(text: string): string | undefined {
  const network = networkOf(text);
  if (network === undefined) return "not an address or range of addresses, such as 192.0.2.0/24 or 2001:db8::/32";
  // 10.1.2.3/8 is likelier a slip than a wish for all of 10.0.0.0/8.
  return start(network) === network.first ? undefined : `has bits beyond its prefix; the range is ${textOf(network)}`;
}

/**
 * A network in its one form: `192.0.2.0/24`, `2001:db8::/32`. Addresses have the prefix of all their bits, IPv4 in the form of
 * IPv6 is IPv4. Text for which {@link networkProblem} has nothing to say.
 */
export function formatNetwork(text: string): string {
  return textOf(networkOf(text)!);
}

/**
 * Whether a client's address is in any of the networks; `false` for what is no address. A network of IPv6 has no address of
 * IPv4, whatever the socket calls it.
 */
export function isInNetworks(address: string | undefined, networks: readonly string[]): boolean {
  const client = address === undefined ? undefined : clientOf(address);
  if (client === undefined) return false;
  return networks.some((text) => {
    const network = networkOf(text);
    if (network?.width !== client.width) return false;
    const rest = BigInt(network.width - network.prefix);
    return client.value >> rest === network.first >> rest;
  });
}

/** Whether every address of `inner` is in one of the networks. */
export function containsNetwork(networks: readonly string[], inner: string): boolean {
  const { width, first, prefix } = networkOf(inner)!;
  return networks.some((text) => {
    const network = networkOf(text);
    if (network?.width !== width || network.prefix > prefix) return false;
    const rest = BigInt(width - network.prefix);
    return first >> rest === network.first >> rest;
  });
}
