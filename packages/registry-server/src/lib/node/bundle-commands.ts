import { parseDuration } from "@lading/core-manifest";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { RegistryError } from "../registry-error.ts";
import { describeRoot } from "../trust/trust-service.ts";
import { inParallel } from "../upstream/http-source.ts";
import { UpstreamFiles } from "../upstream/upstream-files.ts";
import { MIRROR, isChosen } from "../upstream/upstream-options.ts";
import { readState, type UpstreamState } from "../upstream/upstream-state.ts";
import type { UpstreamFile } from "../upstream/upstream-store.ts";
import {
  BUNDLE_FILE,
  BUNDLE_REGISTRY,
  BundleSource,
  bundleInvalid,
  bundledPackages,
  readListing,
  writeBundleFile,
  writeListing,
} from "./bundle-files.ts";
import { writeDurably } from "./durable-file.ts";
import { chosenPackages, mirrorOptions, reportLine, syncOnce, type MirrorCall } from "./mirror-command.ts";
import { openStores, type Stores } from "./stores.ts";

const PARALLEL = 4;
/** How old a bundle's signatures may be when it is imported, unless told otherwise. */
const MAX_AGE = "30d";

function notMirrored(): RegistryError {
  return new RegistryError({
    code: "SERVER_CONFIG_INVALID",
    message: "Cannot make a bundle: the data directory holds no mirror",
    hint: "Copy the registry first: lading-registry mirror --from URL --data DIRECTORY",
  });
}

/** The description of a bundled registry: addresses that count from its own, and no API. */
async function writeDescription(directory: string, state: UpstreamState, root: Uint8Array): Promise<void> {
  const { keys, ...described } = describeRoot(root);
  const description = {
    protocol: 1,
    name: state.title,
    mode: described.development ? "development" : "production",
    index: "./",
    blobs: "./blobs/sha256/",
    metadata: "./metadata/",
    log: { origin: state.log.origin, key: state.log.key, url: "./log/" },
    auth: [],
    limits: {},
    signatures: "optional",
    root: described,
    keys,
  };
  const place = join(directory, BUNDLE_REGISTRY, ".well-known");
  await mkdir(place, { recursive: true });
  const text = `${JSON.stringify(description, undefined, 2)}\n`;
  await writeDurably(join(place, "lading.json"), text, { temporary: directory });
}

/** Files that a bundle brings: all of signed metadata, index and log, files of chosen packages; less what was brought before. */
async function bundleFiles(
  call: MirrorCall,
  { metadata }: Stores,
): Promise<{
  readonly all: readonly UpstreamFile[];
  readonly brought: readonly UpstreamFile[];
}> {
  const packages = (await chosenPackages(call.flags)) ?? ["**"];
  const held = (await metadata.upstreams.files(MIRROR, "")).filter((file) => file.held);
  const all = held.filter(
    ({ path, package: name }) => !path.startsWith("blobs/") || name === undefined || isChosen({ packages }, name),
  );
  const { since } = call.flags;
  if (since === undefined) return { all, brought: all };
  const before = await readListing(resolve(since));
  return { all, brought: all.filter(({ path, digest }) => before.get(path) !== digest) };
}

/** Runs `admin export-bundle DIRECTORY`: what the mirror holds as a directory to be carried elsewhere. */
export async function exportBundle(call: MirrorCall, target: string): Promise<number> {
  const directory = resolve(target);
  const { dataDirectory, databaseFile, databaseUrl, s3 } = call.config.registry;
  const stores = await openStores({ dataDirectory, databaseFile, databaseUrl, s3 });
  try {
    const text = await stores.metadata.upstreams.state(MIRROR);
    if (text === undefined) throw notMirrored();
    const state = readState(text, MIRROR);
    const { all, brought } = await bundleFiles(call, stores);
    await mkdir(join(directory, BUNDLE_REGISTRY), { recursive: true });
    const written = await inParallel(brought, PARALLEL, (file) => writeBundleFile(directory, file, stores.blobs));
    const files = new UpstreamFiles(MIRROR, stores.metadata.upstreams, stores.blobs);
    const root = await files.held(`metadata/${state.root}.root.json`);
    if (root === undefined) throw bundleInvalid(directory, `the mirror has no root ${state.root}`);
    await writeDescription(directory, state, root);
    await writeListing(directory, all);
    const packages = await bundledPackages({ all, brought }, stores.blobs);
    const registries = [{ url: state.url, directory: BUNDLE_REGISTRY, packages }];
    const created = `${new Date().toISOString().slice(0, 19)}Z`;
    await writeDurably(
      join(directory, BUNDLE_FILE),
      `${JSON.stringify({ format: "lading-bundle/1", created, registries }, undefined, 2)}\n`,
      { temporary: directory },
    );
    const bytes = written.reduce((sum, size) => sum + size, 0);
    const report = { bundle: directory, files: brought.length, left: all.length - brought.length, bytes };
    call.io.out(
      `${JSON.stringify({ ...report, packages: packages.length, logSize: state.log.size, feed: state.feed })}\n`,
    );
    return 0;
  } finally {
    await stores.close();
  }
}

function maxAge(call: MirrorCall): number {
  const text = call.flags["max-age"] ?? MAX_AGE;
  try {
    return parseDuration(text);
  } catch (cause) {
    throw new RegistryError({
      code: "SERVER_CONFIG_INVALID",
      message: `Cannot use --max-age "${text.slice(0, 40)}": allowed is a duration such as "30d"`,
      cause,
    });
  }
}

/** Runs `admin import-bundle DIRECTORY`: takes a bundle up into the mirror of the data directory, after verifying all of it. */
export async function importBundle(call: MirrorCall, source: string): Promise<number> {
  const directory = resolve(source);
  await readListing(directory);
  const allowedStaleMs = maxAge(call);
  const options = { ...(await mirrorOptions(call, false)), fetch: "carried" as const };
  const report = await syncOnce(
    call,
    options,
    ({ metadata, blobs }) =>
      new BundleSource({ name: MIRROR, directory, held: new UpstreamFiles(MIRROR, metadata.upstreams, blobs) }),
    allowedStaleMs,
  );
  call.io.out(reportLine(report));
  const ended = Date.now() - report.state.expires;
  if (ended > 0) {
    call.io.err(
      `The bundle's signatures ran out ${Math.ceil(ended / 86_400_000)} days ago: clients need stale_days for this registry in registries.toml, or a newer bundle\n`,
    );
  }
  return 0;
}
