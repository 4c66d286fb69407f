import { isLadingError, type IndexVersion } from "@lading/core-manifest";
import type { RegistryClient } from "@lading/registry-client";
import { replacedRegistry } from "./configured-registries.ts";
import type { EngineContext } from "./engine-context.ts";
import { namedKeys, policiesFor, signatureRequirement, verifyStatement } from "./signatures.ts";

/** What can be said here of a version's signatures. */
export interface SignatureState {
  /**
   * `unsigned`; `trusted`: the signature holds, by a key that the user or the registry's configuration names; `verified`: it
   * holds, by the key that the registry has for it; `refused`: an installation would not take it; `unchecked`: without the
   * network nothing could be compared.
   */
  readonly state: "unsigned" | "trusted" | "verified" | "refused" | "unchecked";
  /** Fingerprints of the keys whose signatures hold, of all files of the version. */
  readonly signers: readonly string[];
  /** Of `refused`: why, with its code. */
  readonly problem?: string;
}

/** Verifies the statements of a version's files as an installation would, without downloading the files. */
export async function signatureState(
  context: EngineContext,
  { client, name, entry }: { readonly client: RegistryClient; readonly name: string; readonly entry: IndexVersion },
): Promise<SignatureState> {
  if (entry.artifacts.every(({ statement }) => statement === undefined)) return { state: "unsigned", signers: [] };
  const policies = policiesFor(undefined, client.registry, await replacedRegistry(context));
  const demanded = await signatureRequirement(context, policies, undefined);
  const request = { client, policies, entry, name, version: entry.version, pinned: undefined };
  const requirement = demanded === "off" ? "optional" : demanded;
  const signers = new Set<string>();
  try {
    for (const artifact of entry.artifacts)
      for (const signer of await verifyStatement(context, { ...request, artifact, requirement })) signers.add(signer);
  } catch (error) {
    if (!isLadingError(error)) throw error;
    if (error.code === "REGISTRY_OFFLINE") return { state: "unchecked", signers: [] };
    if (error.category !== "integrity" && error.category !== "refused") throw error;
    return { state: "refused", signers: [], problem: `${error.message} (${error.code})` };
  }
  const named = await namedKeys(context, policies, name);
  const all = [...signers].sort();
  return { state: all.some((signer) => named.has(signer)) ? "trusted" : "verified", signers: all };
}
