import type { BinProfile, EcosystemProfile } from "@lading/core-manifest";
import type { CliOptions, ProfileInput } from "./options.ts";
import { binOf } from "./bin.ts";
import { ownRoutes } from "./router.ts";
import { routesOf } from "./spelling.ts";
import type { Route } from "./spec.ts";

/** A bin's name, words and profile, the profile loaded at most once and only when asked for. */
export interface Brand {
  readonly version: string;
  readonly ownCommands: boolean;
  readonly profile: () => Promise<EcosystemProfile>;
  readonly bin: () => Promise<string>;
  readonly title: () => Promise<string>;
  readonly routes: () => Promise<readonly Route[]>;
}

/** What a bin is made from. */
export interface Branding {
  readonly profile: ProfileInput;
  readonly options: CliOptions & { readonly version: string };
}

/** The brand of a bin; its profile is loaded at most once, and only when it is asked for. */
export function createBrand({ profile: input, options }: Branding): Brand {
  let loaded: Promise<EcosystemProfile> | undefined;
  const profile = (): Promise<EcosystemProfile> =>
    (loaded ??= Promise.resolve().then(() => (typeof input === "function" ? input() : input)));
  const branded = async (): Promise<BinProfile> => binOf(await profile(), options.bin);
  return {
    version: options.version,
    ownCommands: options.ownCommands === true,
    profile,
    bin: async () => options.bin ?? (await branded()).name,
    title: async () => options.title ?? (await branded()).summary ?? (await profile()).title,
    async routes() {
      return options.ownCommands === true ? ownRoutes() : routesOf(await branded());
    },
  };
}
