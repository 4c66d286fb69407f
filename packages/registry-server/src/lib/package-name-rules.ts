import { splitName, type CanonicalName } from "@lading/core-manifest";

// Device names of Windows: a mirror of the index on a Windows disk could not hold `index/_/co/con.json`.
const DEVICE = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])$/;

/** Names that nobody may publish, in canonical form. */
export const RESERVED_NAMES: readonly string[] = [
  "lading",
  "node-modules",
  "favicon-ico",
  "packages",
  "undefined",
  "null",
];

/** Why a name is reserved, or `undefined` where it is free. */
export function reservedReason(name: CanonicalName, reserved: readonly string[]): string | undefined {
  const { namespace, bare } = splitName(name);
  if (DEVICE.test(bare) || (namespace !== undefined && DEVICE.test(namespace))) return "it is a device name on Windows";
  if (reserved.includes(name) || (namespace !== undefined && reserved.includes(namespace)))
    return "the registry keeps it for itself";
  return undefined;
}

/**
 * The form under which look-alike names are equal: without separators, with `0` as `o`, `1` and `i` as `l`,
 * `rn` as `m` and `vv` as `w`.
 */
export function nameSkeleton(name: CanonicalName): string {
  return name
    .replaceAll("-", "")
    .replaceAll("0", "o")
    .replaceAll(/[1i]/g, "l")
    .replaceAll("rn", "m")
    .replaceAll("vv", "w");
}
