import { createHash } from "node:crypto";
import { z } from "@hono/zod-openapi";
import { parseDigest } from "@lading/core-manifest";
import { parse, TomlError } from "smol-toml";
import { administers } from "../authentication.ts";
import { CONFIGURATION_MAX_BYTES, type SharedConfiguration } from "../configurations/configuration-store.ts";
import { timestamp } from "../index-model.ts";
import { ORGANISATION_NAME, ORGANISATION_NAME_MAX_LENGTH, type Organisation } from "../organisations/organisation.ts";
import { RegistryError } from "../registry-error.ts";
import { organisers, principalOf, readers } from "./access.ts";
import { auditEntry, type App, type RouteContext, type Services } from "./context.ts";
import { requireOrganisation, requireRole } from "./guards.ts";
import { configurationEtag, requireMatch } from "./preconditions.ts";
import { register, type Route } from "./route-table.ts";

const PATH = "/organisations/{organisation}/configurations";

const configurationName = z
  .string()
  .max(ORGANISATION_NAME_MAX_LENGTH)
  .regex(ORGANISATION_NAME, "allowed are a-z, 0-9 and single hyphens between them");
const inOrganisation = { organisation: z.string().max(ORGANISATION_NAME_MAX_LENGTH) };
const one = { ...inOrganisation, configuration: z.string().max(ORGANISATION_NAME_MAX_LENGTH) };
const revisionQuery = { revision: z.coerce.number().int().min(1).max(1_000_000_000).optional() };

const putBody = z
  .object({
    text: z.string().openapi({ description: "TOML, as clients read their own configuration; at most 64 KiB" }),
    public: z.boolean().default(false).openapi({ description: "Whether others than members may read it" }),
  })
  .openapi("PutConfiguration");

const briefView = z
  .object({
    organisation: z.string(),
    name: z.string(),
    revision: z.number().int(),
    digest: z.string().openapi({ description: "SHA-256 of the text, as the log states it" }),
    public: z.boolean(),
    author: z.string(),
    created: z.string(),
  })
  .openapi("ConfigurationSummary");
const receipt = z.object({ index: z.number(), checkpoint: z.string(), proof: z.string() });
const configurationView = briefView.extend({ text: z.string(), log: receipt.optional() }).openapi("Configuration");

function viewBrief({ name: organisation }: Organisation, found: SharedConfiguration): z.infer<typeof briefView> {
  const { name, revision, digest, isPublic, author, created } = found;
  return { organisation, name, revision, digest, public: isPublic, author, created: timestamp(created) };
}

async function answer(
  services: Services,
  context: RouteContext,
  organisation: Organisation,
  found: SharedConfiguration,
): Promise<Response> {
  context.header("etag", configurationEtag(found));
  const log = await services.trust?.receipt(found.leaf);
  const body = { ...viewBrief(organisation, found), text: found.text, ...(log === undefined ? {} : { log }) };
  return context.json(body satisfies z.infer<typeof configurationView>);
}

function param(context: RouteContext, name: string): string {
  return context.req.param(name as never);
}

async function organisationOf(services: Services, context: RouteContext): Promise<Organisation> {
  return requireOrganisation(services, param(context, "organisation"));
}

async function isMember(services: Services, context: RouteContext, organisation: Organisation): Promise<boolean> {
  const principal = context.get("principal");
  if (principal === undefined) return false;
  if (administers(principal)) return true;
  const { organisations } = await services.groups.membershipsOf(principal.account.id);
  return organisations.some(({ name }) => name === organisation.name);
}

function notFound(organisation: Organisation, name: string): RegistryError {
  return new RegistryError({
    code: "CONFIGURATION_NOT_FOUND",
    message: `Cannot find configuration "${name.slice(0, 100)}" of organisation "${organisation.name}"`,
    hint: "Configurations that are not public are for members: log in as one",
  });
}

async function list(services: Services, context: RouteContext): Promise<Response> {
  const organisation = await organisationOf(services, context);
  const all = await services.metadata.configurations.configurations(organisation.id);
  const member = await isMember(services, context, organisation);
  const readable = all.filter(({ isPublic }) => isPublic || member);
  return context.json({ items: readable.map((found) => viewBrief(organisation, found)) });
}

async function show(services: Services, context: RouteContext): Promise<Response> {
  const organisation = await organisationOf(services, context);
  const name = param(context, "configuration");
  const { revision } = z.object(revisionQuery).parse(context.req.query());
  const { configurations } = services.metadata;
  const [newest, found] = await Promise.all([
    configurations.configuration(organisation.id, name),
    configurations.configuration(organisation.id, name, revision),
  ]);
  // What is shown now decides about what was shown before: a revision that ought not to be public is hidden by the next one.
  const open =
    (newest?.isPublic === true && found?.isPublic === true) || (await isMember(services, context, organisation));
  if (found === undefined || !open) throw notFound(organisation, name);
  return answer(services, context, organisation, found);
}

/** @throws {RegistryError} `REQUEST_INVALID` */
function requireToml(text: string): void {
  const problem = problemOf(text);
  if (problem === undefined) return;
  throw new RegistryError({
    code: "REQUEST_INVALID",
    message: `Cannot use the text as a configuration: ${problem}`,
    errors: [{ field: "body.text", message: problem }],
  });
}

function problemOf(text: string): string | undefined {
  const size = Buffer.byteLength(text);
  if (size > CONFIGURATION_MAX_BYTES) return `it has ${size} bytes, allowed are ${CONFIGURATION_MAX_BYTES}`;
  // What is stored and hashed must be what is sent, byte by byte.
  if (/\p{Surrogate}|\0/u.test(text)) return "it is not text";
  try {
    parse(text);
    return undefined;
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    return `it is no TOML: ${error.message.split("\n", 1)[0]!}`;
  }
}

async function put(services: Services, context: RouteContext, body: z.infer<typeof putBody>): Promise<Response> {
  const organisation = await organisationOf(services, context);
  await requireRole(services, principalOf(context), organisation, "owner");
  const name = configurationName.safeParse(param(context, "configuration"));
  if (!name.success) {
    const message = name.error.issues[0]!.message;
    throw new RegistryError({
      code: "REQUEST_INVALID",
      message: `Cannot use "${param(context, "configuration")}" as the name of a configuration: ${message}`,
      errors: [{ field: "path.configuration", message }],
    });
  }
  requireToml(body.text);
  const digest = parseDigest(`sha256:${createHash("sha256").update(body.text).digest("hex")}`);
  const details = { organisation: organisation.name, configuration: name.data, digest, public: body.public };
  const changed = await services.metadata.configurations.change({
    organisation,
    name: name.data,
    content: { text: body.text, digest, isPublic: body.public },
    audit: auditEntry(services, context, { action: "configuration.set", details }),
    check: (current) => requireMatch(context, configurationEtag(current)),
  });
  services.trust?.changedSoon();
  return answer(services, context, organisation, changed!);
}

async function remove(services: Services, context: RouteContext): Promise<Response> {
  const organisation = await organisationOf(services, context);
  await requireRole(services, principalOf(context), organisation, "owner");
  const name = param(context, "configuration");
  const details = { organisation: organisation.name, configuration: name };
  const removed = await services.metadata.configurations.change({
    organisation,
    name,
    audit: auditEntry(services, context, { action: "configuration.remove", details }),
    check: (current) => requireMatch(context, configurationEtag(current)),
  });
  if (removed === undefined) throw notFound(organisation, name);
  services.trust?.changedSoon();
  return context.body(null, 204);
}

/** Registers the routes of configurations that organisations share. A tree of private packages has none of its own. */
export function registerConfigurationRoutes(app: App, services: Services): void {
  if (services.tree !== undefined) return;
  const routes: readonly Route[] = [
    {
      method: "get",
      path: PATH,
      guard: readers(services),
      summary: "Configurations that an organisation shares with its projects: all for members, else the public ones",
      params: inOrganisation,
      answer: z.object({ items: z.array(briefView) }),
      failures: [404],
      handle: async (context) => list(services, context),
    },
    {
      method: "get",
      path: `${PATH}/{configuration}`,
      guard: readers(services),
      summary: "A shared configuration, with the proof that the log states its digest",
      params: one,
      query: revisionQuery,
      answer: configurationView,
      failures: [400, 404, 503],
      handle: async (context) => show(services, context),
    },
    {
      method: "put",
      path: `${PATH}/{configuration}`,
      guard: organisers(services),
      summary: "Share a configuration, or its next revision",
      params: one,
      body: putBody,
      answer: configurationView,
      failures: [403, 404, 412, 503],
      handle: async (context, body) => put(services, context, putBody.parse(body)),
    },
    {
      method: "delete",
      path: `${PATH}/{configuration}`,
      guard: organisers(services),
      summary: "Share a configuration no more",
      params: one,
      status: 204,
      failures: [403, 404, 412],
      handle: async (context) => remove(services, context),
    },
  ];
  for (const route of routes) register(app, ["organisations"], route);
}
