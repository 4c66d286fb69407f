import { tryParseDigest } from "@lading/core-manifest";
import { nodeVerifier } from "@lading/signing/node";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { RegistryError } from "../registry-error.ts";
import { HttpSource } from "../upstream/http-source.ts";
import type { SyncReport } from "../upstream/mirror-sync.ts";
import { MIRROR, type UpstreamOptions } from "../upstream/upstream-options.ts";
import type { UpstreamSource } from "../upstream/upstream-source.ts";
import { UpstreamTree } from "../upstream/upstream-tree.ts";
import { dataLayout, prepareDirectory } from "./data-directory.ts";
import { createOutbound } from "./outbound.ts";
import type { ServerConfig } from "./server-config.ts";
import type { ServerIo } from "./server-io.ts";
import { openStores, type Stores } from "./stores.ts";
import { checkPatterns } from "./upstream-config.ts";

/** A command about a mirror. */
export interface MirrorCall {
  readonly flags: Readonly<Record<string, string>>;
  readonly io: ServerIo;
  readonly config: ServerConfig;
}

const HINT = "lading-registry mirror --from URL [--root sha256:…] [--only PATTERN,… | --list FILE]";

function usage(message: string): RegistryError {
  return new RegistryError({ code: "SERVER_CONFIG_INVALID", message, hint: HINT });
}

/** Patterns of `--only`, or of the file of `--list`: one a line, `#` begins a comment; `undefined` where neither is given. */
export async function chosenPackages(flags: MirrorCall["flags"]): Promise<readonly string[] | undefined> {
  const { only, list } = flags;
  if (only === undefined && list === undefined) return undefined;
  if (only !== undefined && list !== undefined)
    throw usage("Cannot use --only together with --list: both choose packages");
  const text = only ?? (await readList(list!));
  const patterns = text
    .split(/[\n,]/)
    .map((line) => line.replace(/#.*/, "").trim())
    .filter((line) => line !== "");
  return checkPatterns(patterns, (problem) => usage(`Cannot use the list of packages: ${problem}`));
}

async function readList(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw usage(`Cannot read the list "${file}": ${(cause as NodeJS.ErrnoException).code ?? String(cause)}`);
  }
}

/** The mirror that the settings name, with what the flags say in their place. */
export async function mirrorOptions({ flags, config }: MirrorCall, needsUrl: boolean): Promise<UpstreamOptions> {
  const configured = config.registry.upstreams?.find(({ isWholeServer }) => isWholeServer);
  const { from = configured?.url, root: rootText } = flags;
  const url = from === undefined ? null : URL.parse(from);
  if (needsUrl && from === undefined) throw usage("Cannot mirror: no upstream is named");
  if (from !== undefined && (url === null || !["http:", "https:"].includes(url.protocol))) {
    throw usage(`Cannot mirror "${from.slice(0, 100)}": it is no http or https address`);
  }
  const root = rootText === undefined ? configured?.root : tryParseDigest(rootText);
  if (rootText !== undefined && root === undefined) {
    throw usage(`Cannot use the root "${rootText.slice(0, 100)}": allowed is sha256: and 64 hexadecimal digits`);
  }
  return {
    name: MIRROR,
    ...(url === null ? {} : { url: url.href }),
    ...(root === undefined ? {} : { root }),
    ...(configured?.token === undefined ? {} : { token: configured.token }),
    packages: (await chosenPackages(flags)) ?? configured?.packages ?? ["**"],
    fetch: "all",
    others: configured?.others ?? "refuse",
    intervalMs: 0,
    isWholeServer: true,
    minimumAgeMs: 0,
  };
}

/** Looks once at an upstream, over the stores of a server that may be running. */
export async function syncOnce(
  { config }: MirrorCall,
  options: UpstreamOptions,
  source: (stores: Stores) => UpstreamSource,
  allowedStaleMs = 0,
): Promise<SyncReport> {
  const { dataDirectory, databaseFile, databaseUrl, s3, packageBytes, readPublic } = config.registry;
  await prepareDirectory(dataDirectory);
  // Not recovered: a server beside this command may be taking uploads in.
  await mkdir(join(dataLayout(dataDirectory).temporary, "uploads"), { recursive: true });
  const stores = await openStores({ dataDirectory, databaseFile, databaseUrl, s3 });
  try {
    const tree = new UpstreamTree({
      options,
      source: source(stores),
      allowedStaleMs,
      metadata: stores.metadata,
      blobs: stores.blobs,
      clock: { now: () => Date.now() },
      verifier: nodeVerifier,
      packageBytes: packageBytes ?? Number.MAX_SAFE_INTEGER,
      readPublic: readPublic ?? true,
      isOwn: async () => false,
    });
    return await tree.sync();
  } finally {
    await stores.close();
  }
}

/** What is printed of a look: one line of JSON. */
export function reportLine({ changed, packages, blobs, bytes, state }: SyncReport): string {
  const { url, anchor, root, log, feed } = state;
  return `${JSON.stringify({ upstream: url, changed, packages, blobs, bytes, anchor, root, logSize: log.size, feed })}\n`;
}

/** Runs `mirror`: brings the mirror in the data directory up to date, and ends. */
export async function mirrorCommand(call: MirrorCall): Promise<number> {
  const options = await mirrorOptions(call, true);
  const { outboundAllow = [] } = call.config.registry;
  const source = new HttpSource({
    name: MIRROR,
    url: options.url!,
    token: options.token,
    outbound: createOutbound({ allow: outboundAllow }),
  });
  const report = await syncOnce(call, options, () => source);
  call.io.out(reportLine(report));
  if (options.root === undefined && report.changed) {
    call.io.err(
      `Trusted from now on by the root ${report.state.anchor}; compare it with what its operator publishes\n`,
    );
  }
  return 0;
}
