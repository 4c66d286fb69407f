import { ARCHIVE_ERRORS } from "@lading/archive";
import { CLI_ERRORS } from "@lading/cli";
import { CORE_ERRORS, MANIFEST_ERRORS, type ErrorCatalogue } from "@lading/core-manifest";
import { ENGINE_ERRORS } from "@lading/engine";
import { INSTALLER_ERRORS } from "@lading/installer";
import { REGISTRY_CLIENT_ERRORS } from "@lading/registry-client";
import { REGISTRY_ERRORS } from "@lading/registry-server";
import { STATIC_REGISTRY_ERRORS } from "@lading/registry-static";
import { RESOLVER_ERRORS } from "@lading/resolver";
import { SIGNING_ERRORS } from "@lading/signing";
import { LOG_ERRORS } from "@lading/signing/log";
import { METADATA_ERRORS } from "@lading/signing/metadata";

/** Every package's error catalogue, floor by floor. */
export const errorCatalogues: Readonly<Record<string, ErrorCatalogue>> = {
  "@lading/core-manifest": { ...CORE_ERRORS, ...MANIFEST_ERRORS },
  "@lading/signing": { ...SIGNING_ERRORS, ...METADATA_ERRORS, ...LOG_ERRORS },
  "@lading/archive": ARCHIVE_ERRORS,
  "@lading/resolver": RESOLVER_ERRORS,
  "@lading/registry-client": REGISTRY_CLIENT_ERRORS,
  "@lading/installer": INSTALLER_ERRORS,
  "@lading/registry-server": REGISTRY_ERRORS,
  "@lading/registry-static": STATIC_REGISTRY_ERRORS,
  "@lading/engine": ENGINE_ERRORS,
  "@lading/cli": CLI_ERRORS,
};
