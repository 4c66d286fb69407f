import { join } from "node:path";
import type { UploadStore } from "../uploads/upload-store.ts";
import type { BlobStore, Coordination, DocumentStore } from "../ports.ts";
import { dataLayout } from "./data-directory.ts";
import { DirectoryBlobStore } from "./directory-blob-store.ts";
import { DirectoryUploadStore } from "./directory-upload-store.ts";
import { DirectoryDocumentStore } from "./directory-document-store.ts";
import { PostgresCoordination } from "./postgres-coordination.ts";
import { PostgresMetadataStore } from "./postgres-metadata-store.ts";
import { S3BlobStore } from "./s3-blob-store.ts";
import { S3Client, type S3Options } from "./s3-client.ts";
import { S3UploadStore } from "./s3-upload-store.ts";
import { S3DocumentStore } from "./s3-document-store.ts";
import type { SqlMetadataStore } from "./sql-metadata-store.ts";
import { SqliteMetadataStore } from "./sqlite-metadata-store.ts";

/** Where a registry keeps what it knows. */
export interface StoreOptions {
  /** Of one server alone: uploads under way, and what is not kept elsewhere. */
  readonly dataDirectory: string;
  /** SQLite file; `registry.db` in the data directory unless given. */
  readonly databaseFile?: string | undefined;
  /** PostgreSQL in place of SQLite, `postgresql://…`; several servers may share it. */
  readonly databaseUrl?: string | undefined;
  /** A bucket in place of files in the data directory. */
  readonly s3?: S3Options | undefined;
  /** Send readers of blobs to the bucket, with an address that ends soon. */
  readonly redirectDownloads?: boolean | undefined;
  /** Let publishers of packages that come in parts send them to the bucket, with addresses that end soon. */
  readonly redirectUploads?: boolean | undefined;
}

/** The opened stores of a registry. */
export interface Stores {
  readonly metadata: SqlMetadataStore;
  readonly blobs: BlobStore;
  readonly documents: DocumentStore;
  readonly uploads: UploadStore;
  /** Where several servers may share them. */
  readonly coordination?: Coordination;
  /** Closes all of them; closing the metadata store before is no error. */
  close(): Promise<void>;
}

async function openFiles({
  dataDirectory,
  s3,
  redirectDownloads,
  redirectUploads,
}: StoreOptions): Promise<Pick<Stores, "blobs" | "documents" | "uploads">> {
  if (s3 === undefined)
    return {
      blobs: new DirectoryBlobStore(dataDirectory),
      documents: new DirectoryDocumentStore(dataDirectory),
      uploads: new DirectoryUploadStore(dataDirectory),
    };
  const client = new S3Client(s3);
  await client.requireBucket();
  const temporary = join(dataLayout(dataDirectory).temporary, "uploads");
  return {
    blobs: new S3BlobStore({ client, temporary, presign: redirectDownloads ?? false }),
    documents: new S3DocumentStore(client),
    uploads: new S3UploadStore({ client, temporary, presign: redirectUploads ?? false }),
  };
}

/**
 * Opens the stores that are named; those that are not are in the data directory, which must be there.
 * @throws {RegistryError} `DATA_DIRECTORY_UNUSABLE`, `DATABASE_UNUSABLE`, `STORAGE_UNUSABLE`,
 * `SCHEMA_TOO_OLD`, `SCHEMA_TOO_NEW`
 */
export async function openStores(options: StoreOptions): Promise<Stores> {
  const { databaseUrl, databaseFile, dataDirectory } = options;
  const files = await openFiles(options);
  if (databaseUrl === undefined) {
    const metadata = new SqliteMetadataStore(databaseFile ?? dataLayout(dataDirectory).database);
    return { metadata, ...files, close: () => metadata.close() };
  }
  const metadata = await PostgresMetadataStore.open(databaseUrl);
  const coordination = new PostgresCoordination(metadata);
  return {
    metadata,
    ...files,
    coordination,
    close: async () => {
      await coordination.close();
      await metadata.close();
    },
  };
}
