export { builtinProfile, profiles, type BuiltinProfileId } from "./lib/builtin-profiles.ts";
export type {
  BinProfile,
  CommandSpelling,
  EcosystemProfile,
  HostAxis,
  PackageCodec,
  PackageFormat,
} from "./lib/profile.ts";
