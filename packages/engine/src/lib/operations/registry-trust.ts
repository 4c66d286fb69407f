import { readFile } from "node:fs/promises";
import path from "node:path";
import type { RegistryClient, TrustReport } from "@lading/registry-client";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";

/** What a registry is trusted by. */
export interface TrustedRegistry {
  readonly name: string;
  readonly url: string;
  /** `signed`: by its signed metadata; `unsigned`: it has none; `forgotten`: what it was trusted by is gone. */
  readonly mode: "signed" | "unsigned" | "forgotten";
  readonly trust?: TrustReport;
}

/** What {@link registryTrust} is told. */
export interface RegistryTrustInput {
  /** Name or address; default: the default registry. */
  readonly name?: string | undefined;
  /** Root file to begin with. */
  readonly root?: string | undefined;
  /** Put that root in the place of another. */
  readonly replace?: boolean | undefined;
  /** Forget what it is trusted by. */
  readonly forget?: boolean | undefined;
}

/**
 * Shows what a registry is trusted by, begins to trust it by a root file, or forgets it.
 * @throws {EngineError} `ARTEFACT_NOT_FOUND`; {RegistryClientError} `REGISTRY_TRUST_EXISTS`; {MetadataError}
 */
export async function registryTrust(input: RegistryTrustInput, context: EngineContext): Promise<TrustedRegistry> {
  const client = (await context.registries()).client(input.name);
  const { name, url } = client.registry;
  if (input.forget === true) {
    await client.trust.forget();
    return { name, url, mode: "forgotten" };
  }
  if (input.root !== undefined) {
    const trust = await beginTrust(client, { ...input, root: input.root }, context);
    return { name, url, mode: "signed", trust };
  }
  const trust = await client.trust.report({ signal: context.signal });
  return trust === undefined ? { name, url, mode: "unsigned" } : { name, url, mode: "signed", trust };
}

/** Begins to trust a registry by a root file. */
export async function beginTrust(
  client: RegistryClient,
  { root, replace }: { readonly root: string; readonly replace?: boolean | undefined },
  context: EngineContext,
): Promise<TrustReport> {
  return client.trust.begin(await readRoot(root, context), { signal: context.signal, replace });
}

/** The bytes of a root file. */
export async function readRoot(file: string, context: EngineContext): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path.resolve(context.cwd, file)));
  } catch (cause) {
    throw new EngineError({
      code: "ARTEFACT_NOT_FOUND",
      message: `Cannot read the root "${file}": ${cause instanceof Error ? cause.message : String(cause)}`,
      hint: "Give the path of the root file that the registry's operator publishes, such as 1.root.json",
      cause,
    });
  }
}
