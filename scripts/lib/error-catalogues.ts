import { CORE_ERRORS, type ErrorCatalogue } from "@lading/core-manifest";

/** Every package's error catalogue, floor by floor. */
export const errorCatalogues: Readonly<Record<string, ErrorCatalogue>> = {
  "@lading/core-manifest": CORE_ERRORS,
};
