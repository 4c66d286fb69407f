export { DirectoryUploadStore } from "./lib/node/directory-upload-store.ts";
export { S3UploadStore } from "./lib/node/s3-upload-store.ts";
export { DirectoryBlobStore } from "./lib/node/directory-blob-store.ts";
export { DirectoryDocumentStore } from "./lib/node/directory-document-store.ts";
export { RedisCache } from "./lib/node/redis-cache.ts";
export { S3BlobStore } from "./lib/node/s3-blob-store.ts";
export { S3Client, type S3Options, type S3Request } from "./lib/node/s3-client.ts";
export { S3DocumentStore } from "./lib/node/s3-document-store.ts";
export { SqliteMetadataStore, openDatabase } from "./lib/node/sqlite-metadata-store.ts";
export { PostgresCoordination } from "./lib/node/postgres-coordination.ts";
export { PostgresMetadataStore, migrateDatabase } from "./lib/node/postgres-metadata-store.ts";
export { SCHEMA_VERSION, migrate } from "./lib/node/migrations.ts";
export { ArchiveInspector } from "./lib/node/archive-inspector.ts";
export { Argon2Hasher } from "./lib/node/password.ts";
export {
  DECODE_BUDGET_BYTES,
  DEFAULT_SETTINGS,
  createNodeRegistry,
  dataLayout,
  type Bootstrap,
  type NodeRegistry,
  type NodeRegistryOptions,
} from "./lib/node/node-registry.ts";
export {
  createOutbound,
  isAllowedHostEntry,
  type OutboundOptions,
  type Resolve,
  type ResolvedAddress,
} from "./lib/node/outbound.ts";
export { serve, type RegistryServer, type ServeOptions } from "./lib/node/serve.ts";
export {
  loadServerConfig,
  type ConfigSources,
  type ResolvedSetting,
  type ServerConfig,
} from "./lib/node/server-config.ts";
export { SETTINGS, type Setting, type SettingValue } from "./lib/node/server-settings.ts";
export { createServerLog } from "./lib/node/server-log.ts";
export { runRegistry, type RegistryBrand } from "./lib/node/run-registry.ts";
export type { ServerIo } from "./lib/node/server-io.ts";

export { createLdapDirectory } from "./lib/node/create-ldap-directory.ts";
export { LDAP_DEFAULTS, type LdapOptions } from "./lib/node/ldap-options.ts";
