import { isLadingError, parseChannel } from "@lading/core-manifest";
import { findPackage } from "../edit.ts";
import type { EngineContext } from "../engine-context.ts";
import { parsePackageSpec, parseVersionSpec } from "../package-spec.ts";

/** The channels of a package. */
export interface PackageChannels {
  readonly name: string;
  /** Channel -> version; `latest` is always among them where a version is published. */
  readonly channels: Readonly<Record<string, string>>;
}

/**
 * Lists the channels of a package; of a registry without a server, those that its index names.
 * @throws {EngineError} `PACKAGE_NOT_FOUND`
 */
export async function channelList(input: { readonly name: string }, context: EngineContext): Promise<PackageChannels> {
  const { name } = parsePackageSpec(input.name);
  const client = (await context.registries()).default;
  try {
    return { name, channels: await client.channels(name, { signal: context.signal }) };
  } catch (error) {
    if (!isLadingError(error) || error.code !== "REGISTRY_READ_ONLY") throw error;
    const { document } = await findPackage(context, name);
    return { name, channels: document.channels };
  }
}

/**
 * Lets a channel name a published version, whatever it named before.
 * @throws {EngineError} `SPEC_INVALID`; {CoreError} `CHANNEL_INVALID`
 */
export async function channelAdd(
  input: { readonly spec: string; readonly channel: string },
  context: EngineContext,
): Promise<PackageChannels> {
  const { name, version } = parseVersionSpec(input.spec);
  const channel = parseChannel(input.channel);
  const client = (await context.registries()).default;
  return { name, channels: await client.setChannel(name, channel, version, { signal: context.signal }) };
}

/**
 * Removes a channel; the version that it named stays.
 * @throws {CoreError} `CHANNEL_INVALID`
 */
export async function channelRemove(
  input: { readonly name: string; readonly channel: string },
  context: EngineContext,
): Promise<PackageChannels> {
  const { name } = parsePackageSpec(input.name);
  const channel = parseChannel(input.channel);
  const client = (await context.registries()).default;
  return { name, channels: await client.removeChannel(name, channel, { signal: context.signal }) };
}
