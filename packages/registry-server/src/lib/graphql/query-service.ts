import { canonicalName, tryParsePackageName, tryParseVersion, type CanonicalName } from "@lading/core-manifest";
import {
  GraphQLError,
  buildSchema,
  execute,
  parse,
  specifiedRules,
  validate,
  type DocumentNode,
  type ExecutionResult,
  type GraphQLSchema,
} from "graphql";
import { packageUrl, versionUrl } from "../api/package-views.ts";
import { timestamp } from "../index-model.ts";
import type { MetadataStore, SearchQuery } from "../ports.ts";
import type { ArtifactRecord, PackageSummary, VersionRecord } from "../records.ts";
import { FIRST_MAX, limitCost } from "./query-cost.ts";
import { READ_MODEL } from "./read-model.ts";

// Each token is parsed before anything can be refused for what it costs.
const TOKENS_MAX = 4000;
const PARSED_MAX = 200;

/** A GraphQL request: GraphQL over HTTP, §4 (request parameters). */
export interface GraphqlRequest {
  readonly query: string;
  readonly variables?: Readonly<Record<string, unknown>>;
  readonly operationName?: string;
}

/** How a request went; without `data` nothing was executed. */
export type GraphqlAnswer = ExecutionResult;

interface Reading {
  readonly metadata: Pick<MetadataStore, "package" | "versions" | "version" | "search">;
  readonly ownersOf: (canonical: CanonicalName) => Promise<readonly string[]>;
  /** URL that links begin with. */
  readonly base: string;
  /** Packages that this request has read already. */
  readonly packages: Map<CanonicalName, Promise<PackageSummary | undefined>>;
}

interface PackagesArguments {
  readonly text: string;
  readonly category?: string | null;
  readonly keyword?: string | null;
  readonly sort?: SearchQuery["sort"] | null;
  readonly page: number;
  readonly first: number;
}

interface VersionsArguments {
  readonly first: number;
  readonly status?: VersionRecord["status"] | null;
}

function bounded(name: string, value: number, maximum: number): number {
  if (value >= 1 && value <= maximum) return value;
  throw new GraphQLError(`Cannot answer the query: "${name}" is ${value}, allowed are 1 to ${maximum}`);
}

async function packageNamed(reading: Reading, text: string): Promise<object | null> {
  const name = tryParsePackageName(text);
  if (name === undefined) return null;
  const canonical = canonicalName(name);
  const read = reading.packages.get(canonical) ?? reading.metadata.package(canonical);
  reading.packages.set(canonical, read);
  const summary = await read;
  return summary === undefined ? null : packageFields(reading, summary);
}

async function packages(reading: Reading, given: PackagesArguments): Promise<object> {
  const { text, category, keyword, sort } = given;
  const page = bounded("page", given.page, 1_000_000);
  const perPage = bounded("first", given.first, FIRST_MAX);
  const found = await reading.metadata.search({
    text,
    page,
    perPage,
    publishedOnly: text.trim() !== "",
    sort: sort ?? (text.trim() === "" ? "name" : "relevance"),
    ...(typeof category === "string" ? { category } : {}),
    ...(typeof keyword === "string" ? { keyword } : {}),
  });
  return { page, total: found.total, items: found.items.map((summary) => packageFields(reading, summary)) };
}

// Functions are fields that are read only where they are asked for.
function packageFields(reading: Reading, summary: PackageSummary): object {
  const { metadata, ownersOf, base } = reading;
  const { canonical, name, latest } = summary;
  const one = async (text: string): Promise<object | null> => {
    const version = tryParseVersion(text);
    const record = version && (await metadata.version(canonical, version));
    return record === undefined ? null : versionFields(reading, name, record);
  };
  return {
    ...summary,
    created: timestamp(summary.created),
    updated: timestamp(summary.updated),
    url: packageUrl(base, name),
    latest: async () => (latest === undefined ? null : one(latest)),
    owners: async () => ownersOf(canonical),
    version: async ({ version }: { readonly version: string }) => one(version),
    versions: async ({ first, status }: VersionsArguments) => {
      const count = bounded("first", first, FIRST_MAX);
      const records = await metadata.versions(canonical);
      const wanted = records.filter((record) => typeof status !== "string" || record.status === status);
      return wanted.slice(0, count).map((record) => versionFields(reading, name, record));
    },
  };
}

function versionFields(reading: Reading, name: string, record: VersionRecord): object {
  const { dependencies = [], hosts = {}, license } = record.manifest;
  return {
    ...record,
    license,
    published: timestamp(record.published),
    signed: record.artifacts.some(({ statement }) => statement !== undefined),
    url: versionUrl(reading.base, name, record.version),
    artifacts: record.artifacts.map((artifact) => artifactFields(reading, artifact)),
    dependencies: dependencies.map((dependency) => ({
      ...dependency,
      package: async () => packageNamed(reading, dependency.name),
    })),
    hosts: Object.entries(hosts).map(([axis, requirement]) => ({ axis, requirement })),
  };
}

function artifactFields({ base }: Reading, artifact: ArtifactRecord): object {
  return { ...artifact, url: `${base}/blobs/sha256/${artifact.blob.slice("sha256:".length)}` };
}

/** Answers GraphQL queries over the metadata store. Reads only: the schema has no mutations and no subscriptions. */
export class QueryService {
  readonly #schema: GraphQLSchema = buildSchema(READ_MODEL);
  readonly #model: Pick<Reading, "metadata" | "ownersOf">;
  // Programs ask the same few questions; insertion order is age.
  readonly #parsed = new Map<string, DocumentNode | readonly GraphQLError[]>();

  constructor(model: Pick<Reading, "metadata" | "ownersOf">) {
    this.#model = model;
  }

  /** Never rejects for what is wrong with a query: that is in `errors`. `base` is the URL that links begin with. */
  async answer({ query, variables, operationName }: GraphqlRequest, base: string): Promise<GraphqlAnswer> {
    const document = this.#documentOf(query);
    if (!("kind" in document)) return { errors: document };
    const reading: Reading = { ...this.#model, base, packages: new Map() };
    return execute({
      schema: this.#schema,
      document,
      rootValue: {
        package: async ({ name }: { readonly name: string }) => packageNamed(reading, name),
        packages: async (given: PackagesArguments) => packages(reading, given),
      },
      ...(variables === undefined ? {} : { variableValues: variables }),
      ...(operationName === undefined ? {} : { operationName }),
    });
  }

  #documentOf(query: string): DocumentNode | readonly GraphQLError[] {
    const known = this.#parsed.get(query);
    if (known !== undefined) return known;
    const document = this.#checked(query);
    const [oldest] = this.#parsed.size < PARSED_MAX ? [] : this.#parsed.keys();
    if (oldest !== undefined) this.#parsed.delete(oldest);
    this.#parsed.set(query, document);
    return document;
  }

  #checked(query: string): DocumentNode | readonly GraphQLError[] {
    try {
      const document = parse(query, { maxTokens: TOKENS_MAX });
      const errors = validate(this.#schema, document, [...specifiedRules, limitCost], { maxErrors: 20 });
      return errors.length === 0 ? document : errors;
    } catch (error) {
      if (error instanceof GraphQLError) return [error];
      throw error;
    }
  }
}
