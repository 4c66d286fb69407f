import { readFile } from "node:fs/promises";
import path from "node:path";
import { digestHex, parseDigest, type Digest, type IndexArtifact, type IndexVersion } from "@lading/core-manifest";
import type { PlannedPackage, Store } from "@lading/installer";
import type { RegistryClient, RegistryConfig } from "@lading/registry-client";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { displayPath, hasErrno, hashFile, readTextIfExists } from "./files.ts";
import type { Project } from "./project.ts";
import { policiesFor, signatureRequirement, verifyStatement } from "./signatures.ts";

/** File that says what is in a vendor directory (`docs/spec/vendor.md`). */
export const VENDOR_FILE = "lading-vendor.json";

/** A package in a vendor directory. */
export interface VendoredPackage {
  readonly name: string;
  readonly version: string;
  /** Below the vendor directory. */
  readonly file: string;
  readonly blob: Digest;
  readonly tree: Digest;
  readonly size: number;
  /** What the registry's index said of the version; absent for a package from Git. */
  readonly entry?: IndexVersion;
  readonly artifact?: IndexArtifact;
}

/** What a vendor directory has. */
export interface VendorIndex {
  readonly format: 1;
  readonly packages: readonly VendoredPackage[];
}

/** Directory of vendored packages: `installer.vendor_dir`, else `vendor` in the project. */
export async function vendorDirectory(context: EngineContext, project: Project): Promise<string> {
  const configured = (await context.settings()).string("installer.vendor_dir");
  return path.resolve(project.root, configured ?? "vendor");
}

/**
 * The index of a vendor directory, or `undefined` where there is none.
 * @throws {EngineError} `VENDOR_INVALID`
 */
export async function readVendorIndex(context: EngineContext, directory: string): Promise<VendorIndex | undefined> {
  const file = path.join(directory, VENDOR_FILE);
  const text = await readTextIfExists(file);
  if (text === undefined) return undefined;
  const invalid = (problem: string): EngineError =>
    new EngineError({ code: "VENDOR_INVALID", message: `Cannot read "${displayPath(file, context.cwd)}": ${problem}` });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : String(error));
  }
  const { format, packages } = (value ?? {}) as Partial<Record<keyof VendorIndex, unknown>>;
  if (format !== 1 || !Array.isArray(packages)) throw invalid(`its format is ${JSON.stringify(format)}, known is 1`);
  for (const one of packages as Partial<Record<keyof VendoredPackage, unknown>>[]) {
    const { name, version, file: own, blob, tree } = one;
    const texts = [name, version, own, blob, tree].every((text) => typeof text === "string");
    if (!texts || path.basename(own as string) !== own)
      throw invalid("a package lacks its name, version, file, blob or tree");
    parseDigest(blob as string);
    parseDigest(tree as string);
  }
  return value as VendorIndex;
}

/** Which packages are wanted, and by what they are judged. */
export interface VendorRequest {
  readonly project: Project;
  readonly store: Store;
  readonly planned: readonly PlannedPackage[];
  readonly missing: ReadonlySet<Digest>;
  readonly registryOf: (url: string | undefined) => RegistryConfig | undefined;
}

/**
 * Takes into the store what it lacks and the project's vendor directory has: of the bytes that the lock names, with
 * signatures demanded as of a registry. Answers the trees that are no longer missing.
 * @throws {EngineError} `VENDOR_INVALID`, and what a signature is refused with
 */
export async function ingestVendored(context: EngineContext, request: VendorRequest): Promise<ReadonlySet<Digest>> {
  const directory = await vendorDirectory(context, request.project);
  const index = await readVendorIndex(context, directory);
  const done = new Set<Digest>();
  if (index === undefined) return done;
  const vendored = new Map(index.packages.map((one) => [one.tree, one]));
  for (const planned of request.planned) {
    const { tree } = planned;
    const found = tree === undefined ? undefined : vendored.get(tree);
    if (tree === undefined || found === undefined || !request.missing.has(tree) || done.has(tree)) continue;
    // Other compressed bytes of the same tree are not what was locked.
    if (planned.source.type === "registry" && planned.blob !== undefined && planned.blob !== found.blob) continue;
    await ingestOne(context, request, { planned, found, directory });
    done.add(tree);
  }
  return done;
}

async function ingestOne(
  context: EngineContext,
  { project, store, registryOf }: VendorRequest,
  { planned, found, directory }: { planned: PlannedPackage; found: VendoredPackage; directory: string },
): Promise<void> {
  const file = path.join(directory, found.file);
  const blob = await hashFile(file);
  if (blob !== found.blob) {
    throw new EngineError({
      code: "VENDOR_INVALID",
      message: `Cannot install "${planned.name}" ${planned.version}: "${displayPath(file, context.cwd)}" is ${blob}, expected ${found.blob}`,
      hint: "Run `vendor` again, or restore the file from version control",
    });
  }
  const { entry, artifact } = found;
  const policies = policiesFor(
    registryOf(planned.source.type === "registry" ? planned.source.url : undefined),
    undefined,
    undefined,
  );
  const signers =
    entry === undefined || artifact === undefined
      ? []
      : await verifyStatement(context, {
          client: vendorClient(directory),
          policies,
          entry,
          artifact,
          name: planned.lock.name,
          version: planned.version,
          pinned: planned.lock.publisher,
          requirement: await signatureRequirement(context, policies, project),
        });
  context.onEvent({ type: "extracting", file: found.file, package: planned.name });
  await store.ingest(file, { blob, tree: found.tree }, { signers, signal: context.signal });
}

/** Statements and keys as files named by their digests, in the place of a registry. */
function vendorClient(directory: string): Pick<RegistryClient, "statementOf" | "statement"> {
  const read = async (digest: Digest): Promise<Uint8Array | undefined> => {
    try {
      return await readFile(path.join(directory, "signatures", digestHex(digest)));
    } catch (error) {
      if (hasErrno(error, "ENOENT")) return undefined;
      throw error;
    }
  };
  return {
    async statementOf({ blob }) {
      const bytes = await read(blob);
      if (bytes !== undefined) return bytes;
      throw new EngineError({
        code: "VENDOR_INVALID",
        message: `Cannot verify ${blob}: its statement is not in the vendor directory`,
        hint: "Run `vendor` again",
      });
    },
    async statement(digest) {
      const bytes = await read(digest);
      if (bytes !== undefined) return bytes;
      const { RegistryClientError } = await import("@lading/registry-client");
      throw new RegistryClientError({
        code: "DOWNLOAD_NOT_FOUND",
        message: `Cannot find ${digest} in the vendor directory`,
      });
    },
  };
}
