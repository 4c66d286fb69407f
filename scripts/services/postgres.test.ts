import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PostgresMetadataStore } from "@lading/registry-server/node";
import { metadataStoreContract } from "@lading/registry-server/testing";
import { startPostgres, type PostgresServer } from "./postgres.ts";

let postgres: PostgresServer;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(async () => postgres?.stop());

describe("PostgreSQL", () => {
  metadataStoreContract({ describe, it }, async () => PostgresMetadataStore.open(await postgres.createDatabase()));
});
