import type { Credential, CredentialStore } from "./ports.ts";
import { RegistryClientError } from "./registry-client-error.ts";
import { canonicalRegistryUrl } from "./registry-url.ts";

/** A credential store that lives as long as the process. */
export function createMemoryCredentials(
  initial: readonly (readonly [registryUrl: string, credential: Credential])[] = [],
): CredentialStore {
  const credentials = new Map(initial.map(([url, credential]) => [canonicalRegistryUrl(url), credential]));
  return {
    get: (url) => Promise.resolve(credentials.get(url)),
    set: (url, credential) => {
      credentials.set(canonicalRegistryUrl(url), credential);
      return Promise.resolve();
    },
    delete: (url) => Promise.resolve(credentials.delete(url)),
    list: () => Promise.resolve([...credentials.keys()].sort()),
  };
}

/** Variables that hold the token of one registry; the first that is set and not empty counts. */
export interface EnvironmentBinding {
  /** Canonical URL. */
  readonly url: string;
  readonly variables: readonly string[];
}

/**
 * Tokens from environment variables, each bound to one registry by the caller: a variable names no registry, so
 * without the binding it would be sent to whichever one is asked.
 */
export function createEnvironmentCredentials(
  env: Readonly<Record<string, string | undefined>>,
  bindings: readonly EnvironmentBinding[],
): CredentialStore {
  const variableOf = (url: string): string | undefined =>
    bindings
      .filter((binding) => binding.url === url)
      .flatMap((binding) => binding.variables)
      .find((name) => (env[name] ?? "").trim() !== "");
  const refuse = (url: string): Promise<never> =>
    Promise.reject(
      new RegistryClientError({
        code: "CREDENTIALS_READ_ONLY",
        message: `Cannot change the credential for "${url}": it comes from the variable "${variableOf(url) ?? ""}"`,
        hint: "Change or unset the variable",
      }),
    );
  return {
    get: (url) => {
      const name = variableOf(url);
      return Promise.resolve(name === undefined ? undefined : { type: "token", token: env[name]!.trim() });
    },
    set: refuse,
    delete: (url) => (variableOf(url) === undefined ? Promise.resolve(false) : refuse(url)),
    list: () =>
      Promise.resolve(
        bindings
          .map((binding) => binding.url)
          .filter((url) => variableOf(url) !== undefined)
          .sort(),
      ),
    origin: (url) => {
      const name = variableOf(url);
      return Promise.resolve(name === undefined ? undefined : `the variable ${name}`);
    },
  };
}

/**
 * Asks `first`, then `second`; writes go to `second`. With the environment first and the file second, a variable
 * wins while it is set, and `login` and `logout` still work on the file.
 */
export function layerCredentials(first: CredentialStore, second: CredentialStore): CredentialStore {
  return {
    get: async (url) => (await first.get(url)) ?? (await second.get(url)),
    set: (url, credential) => second.set(url, credential),
    delete: (url) => second.delete(url),
    list: async () => [...new Set([...(await first.list()), ...(await second.list())])].sort(),
    origin: async (url) => ((await first.get(url)) === undefined ? second : first).origin?.(url),
  };
}
