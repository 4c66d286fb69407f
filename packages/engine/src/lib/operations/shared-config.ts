import path from "node:path";
import type { ApiObject, SharedConfiguration } from "@lading/registry-client";
import type { EngineContext } from "../engine-context.ts";
import { readText } from "../files.ts";
import { parseTeamConfigurationName, readSharedSettings } from "../team-configuration.ts";
import { manage } from "./manage.ts";

/** What {@link sharedConfigSet} shares. */
export interface SharedConfigInput {
  /** `ORGANISATION/NAME`. */
  readonly name: string;
  /** File of settings in TOML. */
  readonly file: string;
  /** Whether others than members of the organisation may read it. */
  readonly public: boolean;
  /** Revision that must be the newest one; 0: there must be none. */
  readonly revision?: number | undefined;
}

/**
 * Shares a file of settings with whoever names it in `team.config`.
 * @throws {EngineError} `CONFIG_VALUE_INVALID`, `CONFIG_KEY_UNKNOWN`, `CONFIG_FILE_INVALID`, `TEAM_CONFIG_REFUSED`
 * @throws {RegistryClientError} what the registry refuses
 */
export async function sharedConfigSet(input: SharedConfigInput, context: EngineContext): Promise<ApiObject> {
  const { organisation, name } = parseTeamConfigurationName(input.name, "the command line");
  const text = await readText(path.resolve(context.cwd, input.file));
  // The registry knows no settings: what no client would take is refused here.
  readSharedSettings(text, input.file, { ...context, strict: true });
  const { public: isPublic, revision } = input;
  return manage("configuration.put", { organisation, name, text, public: isPublic, revision }, context);
}

/**
 * A shared configuration, as the registry's log states it.
 * @throws {EngineError} `CONFIG_VALUE_INVALID`
 * @throws {RegistryClientError}
 * @throws {LogError} the registry's log does not state it
 */
export async function sharedConfigGet(
  input: { readonly name: string; readonly revision?: number | undefined },
  context: EngineContext,
): Promise<SharedConfiguration> {
  const named = parseTeamConfigurationName(input.name, "the command line");
  const client = (await context.registries()).default;
  return client.sharedConfiguration({ ...named, revision: input.revision }, { signal: context.signal });
}
