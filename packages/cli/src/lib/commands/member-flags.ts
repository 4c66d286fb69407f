import type { FlagSpec } from "../spec.ts";

type Flag<Type extends FlagSpec["type"]> = Extract<FlagSpec, { readonly type: Type }>;

/** `-p NAME` and `--workspace`, on commands for which they make sense. */
export const MEMBER_FLAGS: { readonly package: Flag<"text">; readonly workspace: Flag<"boolean"> } = {
  package: { type: "text", alias: "p", summary: "Act on this workspace member", placeholder: "NAME" },
  workspace: { type: "boolean", summary: "Act on every workspace member" },
};
