import type { RegistryClient } from "./client-types.ts";
import { RegistryClientError } from "./registry-client-error.ts";
import { canonicalRegistryUrl } from "./registry-url.ts";
import type { CreateRegistrySetOptions, FindOptions, FoundPackage, RegistrySet } from "./registry-set-types.ts";

/**
 * Puts several registries under the one rule that {@link RegistrySet} describes.
 * @throws {RegistryClientError} `REGISTRY_UNKNOWN` where `default` or a fallback is not among `clients`
 */
export function createRegistrySet(options: CreateRegistrySetOptions): RegistrySet {
  const { clients } = options;
  const pick = (nameOrUrl: string): RegistryClient => {
    const found =
      clients.find((client) => client.registry.name === nameOrUrl) ??
      clients.find((client) => sameUrl(client, nameOrUrl));
    if (found === undefined) throw unknown(nameOrUrl, clients);
    return found;
  };
  const first = pick(options.default);
  const fallback = (options.fallback ?? []).map(pick).filter((client) => client !== first);
  return {
    clients,
    default: first,
    fallback,
    client: (nameOrUrl) => (nameOrUrl === undefined ? first : pick(nameOrUrl)),
    find: async (name, find = {}) =>
      find.registry === undefined
        ? searchInOrder([first, ...fallback], name, find)
        : findIn(pick(find.registry), name, find),
    close: async () => {
      await Promise.all(clients.map((client) => client.close()));
    },
  };
}

async function findIn(client: RegistryClient, name: string, options: FindOptions): Promise<FoundPackage | undefined> {
  const document = await client.packageDocument(name, options);
  return document === undefined ? undefined : { client, document };
}

async function searchInOrder(
  clients: readonly RegistryClient[],
  name: string,
  options: FindOptions,
): Promise<FoundPackage | undefined> {
  for (const [position, client] of clients.entries()) {
    const found = await readOrClose(client, clients.slice(position + 1), name, options);
    if (found !== undefined) return found;
  }
  return undefined;
}

// Dependency confusion: whoever can make a registry unreachable must not thereby choose which one supplies a name.
async function readOrClose(
  client: RegistryClient,
  lower: readonly RegistryClient[],
  name: string,
  options: FindOptions,
): Promise<FoundPackage | undefined> {
  try {
    return await findIn(client, name, options);
  } catch (error) {
    if (!(error instanceof RegistryClientError) || lower.length === 0 || error.category === "usage") throw error;
    throw new RegistryClientError({
      code: "REGISTRY_CHOICE_CLOSED",
      message: `Cannot decide which registry has "${name}": "${client.registry.name}" comes first and could not be read, so ${lower.map((next) => `"${next.registry.name}"`).join(", ")} is not asked`,
      hint: `Repair the access to "${client.registry.name}" (${error.message}), or pin the dependency to another registry`,
      registry: client.registry.name,
      cause: error,
    });
  }
}

function sameUrl(client: RegistryClient, text: string): boolean {
  return URL.canParse(text) && client.registry.url === canonicalRegistryUrl(text);
}

function unknown(nameOrUrl: string, clients: readonly RegistryClient[]): RegistryClientError {
  return new RegistryClientError({
    code: "REGISTRY_UNKNOWN",
    message: `Cannot use registry "${nameOrUrl}": it is not configured, configured are ${clients.map((client) => `"${client.registry.name}"`).join(", ") || "none"}`,
    hint: 'Run "registry list", or "registry add NAME URL"',
    registry: nameOrUrl,
  });
}
