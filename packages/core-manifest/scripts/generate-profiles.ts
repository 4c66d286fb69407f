// Writes src/lib/builtin-profiles-data.ts from profiles/*.toml: run it after a change there.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { parseProfile } from "../src/lib/profile-read.ts";

const directory = new URL("../profiles/", import.meta.url);
const functions = readdirSync(directory)
  .filter((name) => name.endsWith(".toml"))
  .toSorted()
  .map((name) => {
    const profile = parseProfile(readFileSync(new URL(name, directory), "utf8"), `profiles/${name}`);
    return `  ${profile.id}: () => (${JSON.stringify(profile, null, 2)}),\n`;
  });

writeFileSync(
  new URL("../src/lib/builtin-profiles-data.ts", import.meta.url),
  `// Generated from profiles/*.toml by scripts/generate-profiles.ts; do not edit.
import type { EcosystemProfile } from "./profile.ts";

/** Each profile as a function, so that starting a program builds only its own. */
export const BUILTIN_PROFILE_DATA: Readonly<
  Record<"attune" | "gal" | "lading" | "revitpy" | "vitte", () => EcosystemProfile>
> = {
${functions.join("")}};
`,
);
