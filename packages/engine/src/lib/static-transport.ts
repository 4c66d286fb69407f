import path from "node:path";
import type { Fetch, RegistryConfig, StaticAddress, Transport } from "@lading/registry-client";
import { addressOfProject, sayWithheld } from "./configured-registries.ts";
import { cacheDirectory, type EngineContext } from "./engine-context.ts";

/** Reads a registry that is files in a Git repository, a bucket or releases. */
export async function openStaticTransport(
  registry: RegistryConfig,
  address: StaticAddress,
  fetch: Fetch,
  context: EngineContext,
): Promise<Transport> {
  const { httpTransport, movedTransport, systemClock } = await import("@lading/registry-client");
  const { gitTransport, signedFetch } = await import("@lading/registry-client/node");
  // Whoever wrote the project chose where credentials would go.
  const anonymous = (await addressOfProject(context)) === registry.url;
  if (address.kind === "git") {
    const cache = path.join(await cacheDirectory(context), "git-registries");
    return gitTransport({ registry, url: address.url, cache, env: context.env, anonymous });
  }
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = context.env;
  const hasKeys = address.kind === "s3" && accessKeyId !== undefined && secretAccessKey !== undefined;
  if (hasKeys && anonymous) sayWithheld(context, "AWS_ACCESS_KEY_ID", registry.url);
  const isPrivate = hasKeys && !anonymous;
  const credentials = {
    accessKeyId: accessKeyId ?? "",
    secretAccessKey: secretAccessKey ?? "",
    sessionToken: context.env["AWS_SESSION_TOKEN"],
    region: context.env["AWS_REGION"],
  };
  const inner = httpTransport({
    registry: { ...registry, url: address.url },
    fetch: isPrivate ? signedFetch(fetch, address.url, credentials) : fetch,
    clock: { ...systemClock, now: context.now },
    userAgent: `lading/${context.profile.id}`,
    // What the place itself asks for is another credential than a registry's token.
    credential: () => Promise.resolve(undefined),
  });
  return movedTransport(registry, address, inner);
}
