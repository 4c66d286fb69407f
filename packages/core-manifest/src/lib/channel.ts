import { CoreError } from "./core-error.ts";
import { tryParseRequirement, type RequirementSyntax } from "./requirement.ts";
import { compareVersions, isPrerelease, parseVersion, tryParseVersion, type Version } from "./version.ts";

/** The channel that a name without anything means; every package with a version has it. */
export const LATEST_CHANNEL = "latest";

const CHANNEL = /^[A-Za-z][A-Za-z0-9]*(?:[._-][A-Za-z0-9]+)*$/;
const MAX_LENGTH = 64;
const SYNTAXES: readonly RequirementSyntax[] = ["caret", "exact", "pep440", "npm", "canonical"];

/**
 * Reads the name of a channel (dist-tag): a letter, then letters, digits and single `.`, `_` or `-`. What could be read as
 * a version or a requirement is none, so that `NAME@TEXT` has one meaning.
 * @returns `undefined` for other texts
 */
export function tryParseChannel(text: string): string | undefined {
  // Index documents are tables by channel, and no reader takes a key that reaches into prototypes.
  if (text.length > MAX_LENGTH || !CHANNEL.test(text) || text in {} || text === "prototype") return undefined;
  if (tryParseVersion(text.replace(/^v/i, "")) !== undefined) return undefined;
  return SYNTAXES.some((syntax) => tryParseRequirement(text, syntax) !== undefined) ? undefined : text;
}

/**
 * The same for callers that need one.
 * @throws {CoreError} `CHANNEL_INVALID`
 */
export function parseChannel(text: string): string {
  const channel = tryParseChannel(text);
  if (channel !== undefined) return channel;
  throw new CoreError({
    code: "CHANNEL_INVALID",
    message: `Cannot use "${text.slice(0, 80)}" as a channel: allowed are up to ${MAX_LENGTH} letters, digits and single ".", "_" or "-" after a letter, and nothing that is a version or a requirement`,
    hint: 'Call it "beta", "next" or "lts-1"',
  });
}

/** Channel -> the version that it names. */
export type Channels = Readonly<Record<string, string>>;

/**
 * The version that a bare request means: `pinned` while it may be chosen, else the highest active release, else the highest
 * active, else the highest of all.
 */
export function latestVersion(
  versions: readonly { readonly version: string; readonly status: string }[],
  pinned?: string,
): Version | undefined {
  const sorted = versions.map((entry) => ({ ...entry, version: parseVersion(entry.version) }));
  sorted.sort((left, right) => compareVersions(right.version, left.version));
  const choosable = sorted.filter(({ status }) => status === "active" || status === "deprecated");
  const kept = choosable.find(({ version }) => version === pinned);
  const best = kept ?? choosable.find(({ version }) => !isPrerelease(version)) ?? choosable[0] ?? sorted[0];
  return best?.version;
}

/**
 * The channels that are set after a publication. One in a channel of its own leaves `latest` where it is, also from then on:
 * later versions without a channel move it only upwards from there.
 */
export function channelsAfter(
  before: { readonly channels?: Channels | undefined; readonly latest?: string | undefined } | undefined,
  { version, channel }: { readonly version: string; readonly channel?: string | undefined },
): Channels {
  const { channels = {}, latest } = before ?? {};
  if (channel !== undefined) {
    const stays = latest === undefined || latest === version ? {} : { [LATEST_CHANNEL]: latest };
    return { ...stays, ...channels, [channel]: version };
  }
  const pinned = channels[LATEST_CHANNEL];
  if (pinned === undefined) return channels;
  const both = [pinned, version].map((one) => ({ version: one, status: "active" }));
  return { ...channels, [LATEST_CHANNEL]: latestVersion(both)! };
}

/** The channels that are set after one of them names another version, or none. */
export function withChannel(
  channels: Channels = {},
  { channel, version }: { readonly channel: string; readonly version?: string | undefined },
): Channels {
  const { [channel]: _, ...others } = channels;
  return version === undefined ? others : { ...others, [channel]: version };
}
