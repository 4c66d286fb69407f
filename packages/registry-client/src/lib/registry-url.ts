import { RegistryClientError } from "./registry-client-error.ts";
import { parseStaticAddress } from "./static-address.ts";

const STATIC = /^(?:git|s3|releases)\+/;

/**
 * The one spelling of a registry's address, under which tokens, caches and locks know it: scheme and host in lower
 * case, no default port, path ending in `/`, no user, query or fragment.
 * @throws {RegistryClientError} `REGISTRY_URL_INVALID`
 */
export function canonicalRegistryUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const problem = url === undefined ? "it is not an absolute URL" : urlProblem(url, text);
  if (url === undefined || problem !== undefined) {
    throw new RegistryClientError({
      code: "REGISTRY_URL_INVALID",
      message: `Cannot use "${redactUrl(text)}" as a registry's address: ${problem}`,
      hint: 'Write it like "https://registry.example.org/"',
    });
  }
  return url.pathname.endsWith("/") ? url.href : `${url.href}/`;
}

function urlProblem(url: URL, text: string): string | undefined {
  if (STATIC.test(url.protocol)) {
    return parseStaticAddress(text) === undefined
      ? `it is not whole; like "git+https://host/registry.git", "s3+https://host/bucket/" or "releases+https://github.com/owner/repository"`
      : undefined;
  }
  if (!["http:", "https:", "file:"].includes(url.protocol)) {
    return `its scheme is "${url.protocol}", allowed are "https:", "http:", "file:", and "git+", "s3+" or "releases+" before it`;
  }
  if (url.username !== "" || url.password !== "") return "it has a user name or password in it";
  if (url.search !== "") return "it has a query";
  if (url.hash !== "") return "it has a fragment";
  if (url.protocol === "file:" && url.host !== "") return `it names the host "${url.host}"`;
  return undefined;
}

/** The URL as messages may show it: without user, password, query and fragment, and short. */
export function redactUrl(text: string): string {
  const shown = URL.canParse(text) ? withoutSecrets(new URL(text)) : text.replace(/\/\/[^/@]*@/, "//");
  return shown.slice(0, 200);
}

function withoutSecrets(url: URL): string {
  url.username = "";
  url.password = "";
  url.search = "";
  url.hash = "";
  return url.href;
}

/** Whether the URL names this machine by a loopback address or `localhost`. */
export function isLoopback(url: URL): boolean {
  const host = url.hostname;
  return host === "localhost" || host.endsWith(".localhost") || host === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/**
 * Refuses plain `http:` to another machine: anybody between could read tokens and replace answers.
 * @throws {RegistryClientError} `REGISTRY_INSECURE`
 */
export function refuseInsecure(registry: { name: string; url: string; allowInsecure: boolean }): void {
  const url = new URL(registry.url);
  const isPlain = url.protocol.replace(STATIC, "") === "http:";
  if (!isPlain || isLoopback(url) || registry.allowInsecure) return;
  throw new RegistryClientError({
    code: "REGISTRY_INSECURE",
    message: `Cannot use registry "${registry.name}": "${redactUrl(registry.url)}" is plain http: to another machine, allowed are https: and http: to this one`,
    hint: `Use https:, or set allow_insecure = true for "${registry.name}"`,
    registry: registry.name,
  });
}
