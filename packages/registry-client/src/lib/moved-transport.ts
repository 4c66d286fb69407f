import { invalidAnswer } from "./json.ts";
import type { Transport } from "./ports.ts";
import { RegistryClientError } from "./registry-client-error.ts";
import type { RegistryConfig } from "./registry-config.ts";
import { releaseAssetOf, type StaticAddress } from "./static-address.ts";

/**
 * Reads the files of a registry from where a place keeps them, by another transport: those of a bucket, and the assets of
 * releases. There is no API behind them.
 */
export function movedTransport(
  registry: RegistryConfig,
  address: Exclude<StaticAddress, { kind: "git" }>,
  inner: Transport,
): Transport {
  const moved = (url: string, action: string): string => {
    if (!url.startsWith(registry.url)) return url;
    const path = fileIn(registry, url, action);
    if (address.kind === "s3") return new URL(encodePath(path), address.url).href;
    const { tag, name } = releaseAssetOf(path);
    return new URL(`${tag}/${name}`, address.url).href;
  };
  return {
    metadata: async (url, options) => inner.metadata(moved(url, options.action), options),
    blob: async (url, options) => inner.blob(moved(url, options.action), options),
    ...readOnly(registry),
    close: () => inner.close(),
  };
}

/**
 * The path of a registry's file by its address below the registry's. What a registry says of itself is part of such
 * addresses: it must not lead out of the place that was configured.
 * @throws {RegistryClientError} `REGISTRY_ANSWER_INVALID`
 */
export function fileIn(registry: RegistryConfig, url: string, action: string): string {
  const encoded = url.slice(registry.url.length);
  let path: string | undefined;
  try {
    path = decodeURIComponent(encoded);
  } catch {
    // Told below: it is no text.
  }
  const leaves = path?.split("/").some((part) => part === "." || part === "..") ?? true;
  if (path !== undefined && !leaves && !path.includes("\n") && !path.includes("\r")) return path;
  throw invalidAnswer(action, registry.name, `"${encoded.slice(0, 100)}" is no file of it`);
}

function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

/** The half of a transport that a registry without an API has not. */
export function readOnly(registry: RegistryConfig): Pick<Transport, "publish" | "call"> {
  const refuse = (_url: string, _body: unknown, { action }: { readonly action: string }): Promise<never> =>
    Promise.reject(
      new RegistryClientError({
        code: "REGISTRY_READ_ONLY",
        message: `Cannot ${action}: registry "${registry.name}" is files without an API`,
        hint: "Use a registry with a server for this command; a static registry takes packages by index-publish where it is kept",
        registry: registry.name,
      }),
    );
  return { publish: refuse, call: refuse };
}
