/** ` for python 3.11, revit 2025`, or nothing. */
export function hostsText(hosts: Readonly<Record<string, string>>): string {
  const pinned = Object.entries(hosts).map(([axis, version]) => `${axis} ${version}`);
  return pinned.length === 0 ? "" : ` for ${pinned.join(", ")}`;
}
