import { mkdtempSync, rmSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createRegistryClient,
  registryConfig,
  type CreateRegistryClientOptions,
  type RegistryClient,
  type RegistryConfig,
} from "@lading/registry-client";
import { startTestRegistry, type TestRegistry, type TestRegistryOptions } from "@lading/registry-client/testing";
import { onTestFinished } from "vitest";

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "lading-client-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export async function testRegistry(options?: TestRegistryOptions): Promise<TestRegistry> {
  const registry = await startTestRegistry(options);
  onTestFinished(() => registry.close());
  return registry;
}

export function clientOf(
  url: string,
  options: Partial<CreateRegistryClientOptions> = {},
  config: Partial<RegistryConfig> = {},
): RegistryClient {
  const client = createRegistryClient({ registry: registryConfig({ name: "test", url, ...config }), ...options });
  onTestFinished(() => client.close());
  return client;
}

export function documentOf(
  name: string,
  versions: readonly Record<string, unknown>[] = [],
): { name: string } & Record<string, unknown> {
  return {
    schema: 1,
    name,
    sequence: 1,
    channels: {},
    versions: versions.map((version) => ({
      schema: 1,
      kind: "binary",
      artifacts: [],
      dependencies: [],
      features: {},
      hosts: {},
      published: "2026-01-01T00:00:00Z",
      status: "active",
      signers: [],
      ...version,
    })),
  };
}

/** For interceptors that answer in one expression. */
export function answered(response: ServerResponse): boolean {
  return response.writableEnded;
}
