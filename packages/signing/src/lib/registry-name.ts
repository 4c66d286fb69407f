/**
 * Whether an address that a statement names is that of a registry: the same but for the names that one machine has for
 * itself, or one that the registry's tree lies below.
 */
export function namesRegistry(named: string, address: string): boolean {
  const [left, right] = [folded(named), folded(address)];
  return left !== undefined && right !== undefined && right.startsWith(left);
}

/** The address with `/` at its end; every name of this machine is one. */
function folded(address: string): string | undefined {
  const url = URL.parse(address);
  if (url === null) return undefined;
  const { protocol, hostname, port, pathname } = url;
  const own = hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(hostname);
  return `${protocol}//${own ? "localhost" : hostname}:${port}${pathname.replace(/\/*$/, "/")}`;
}
