import { BUILTIN_PROFILE_DATA } from "./builtin-profiles-data.ts";
import type { EcosystemProfile } from "./profile.ts";

/** The profiles that come with Lading. */
export type BuiltinProfileId = keyof typeof BUILTIN_PROFILE_DATA;

const built = new Map<BuiltinProfileId, EcosystemProfile>();

/** A profile that comes with Lading, read from `profiles/*.toml` when the package was built; frozen. */
export function builtinProfile(id: BuiltinProfileId): EcosystemProfile {
  const known = built.get(id);
  if (known !== undefined) return known;
  const profile = deepFreeze(BUILTIN_PROFILE_DATA[id]());
  built.set(id, profile);
  return profile;
}

// One object serves every caller of the process: none may change it for the others.
function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    Object.freeze(value);
    for (const item of Object.values(value)) deepFreeze(item);
  }
  return value;
}

/** All profiles that come with Lading; each is built when it is first read. */
export const profiles: Readonly<Record<BuiltinProfileId, EcosystemProfile>> = {
  get lading(): EcosystemProfile {
    return builtinProfile("lading");
  },
  get vitte(): EcosystemProfile {
    return builtinProfile("vitte");
  },
  get gal(): EcosystemProfile {
    return builtinProfile("gal");
  },
  get attune(): EcosystemProfile {
    return builtinProfile("attune");
  },
  get revitpy(): EcosystemProfile {
    return builtinProfile("revitpy");
  },
};
