import { createRoute, z } from "@hono/zod-openapi";
import { LATEST_CHANNEL, parseChannel, CoreError, type Version } from "@lading/core-manifest";
import { contentRemoved } from "../governance/blob-gate.ts";
import { channelsOf } from "../index-model.ts";
import type { PackageSummary, VersionRecord } from "../records.ts";
import { RegistryError } from "../registry-error.ts";
import { principalOf, readers, smallBody, writers } from "./access.ts";
import { auditEntry, type App, type RouteContext, type Services } from "./context.ts";
import { requireOwner, requirePackage, requireVersion, versionNotFound } from "./guards.ts";
import { channelsEtag, requireMatch } from "./preconditions.ts";
import { SECURED, jsonResponse, nameParam, problems } from "./schemas.ts";

const TAGS = ["packages"];
const channelsBody = z.object({ name: z.string(), channels: z.record(z.string(), z.string()) }).openapi("Channels");
const setBody = z.object({ version: z.string().min(1).max(256) }).openapi("SetChannel");

async function answer(services: Services, context: RouteContext, summary: PackageSummary): Promise<Response> {
  const versions = await services.metadata.versions(summary.canonical);
  context.header("etag", channelsEtag(summary));
  return context.json({ name: summary.name, channels: channelsOf(summary, versions) });
}

function parsedChannel(text: string): string {
  try {
    return parseChannel(text);
  } catch (cause) {
    if (!(cause instanceof CoreError)) throw cause;
    throw new RegistryError({ code: "REQUEST_INVALID", message: cause.message, reason: cause.code, cause });
  }
}

/** What a request is to change, once the caller is known to have the right to it. */
async function authorized(
  services: Services,
  context: RouteContext,
): Promise<{ readonly summary: PackageSummary; readonly channel: string }> {
  const { name = "", channel = "" } = context.req.param() as { name?: string; channel?: string };
  const summary = await requirePackage(services, name);
  await requireOwner(services, principalOf(context), summary, "publish");
  return { summary, channel: parsedChannel(channel) };
}

async function change(
  services: Services,
  context: RouteContext,
  {
    summary,
    channel,
    version,
  }: { readonly summary: PackageSummary; readonly channel: string; readonly version?: Version },
): Promise<Response> {
  const named = version === undefined ? {} : { version };
  const action = version === undefined ? "channel.remove" : "channel.set";
  const changed = await services.metadata.setChannel({
    canonical: summary.canonical,
    channel,
    ...named,
    audit: auditEntry(services, context, { action, package: summary.name, ...named, details: { channel } }),
    check: (current, wanted) => {
      requireMatch(context, channelsEtag(current));
      refuseRemoved(summary, channel, wanted);
    },
  });
  if (changed === undefined) throw versionNotFound(summary.name, version ?? "");
  await services.index.refresh(summary.canonical);
  services.index.saveSoon();
  services.trust?.changedSoon();
  return answer(services, context, changed);
}

// Whoever asked for the channel would get an address that nothing answers.
function refuseRemoved({ name }: PackageSummary, channel: string, version: VersionRecord | undefined): void {
  if (version?.removed === undefined) return;
  throw contentRemoved(`Cannot let channel "${channel}" name "${name}" ${version.version}`, version.removed.reason);
}

function refuseRemoval(summary: PackageSummary, channel: string): void {
  if (channel === LATEST_CHANNEL) {
    throw new RegistryError({
      code: "CHANNEL_REQUIRED",
      message: `Cannot remove channel "${LATEST_CHANNEL}" of package "${summary.name}": it is what the name alone means`,
      hint: "Let it name another version",
    });
  }
  if (Object.hasOwn(summary.channels ?? {}, channel)) return;
  throw new RegistryError({
    code: "CHANNEL_NOT_FOUND",
    message: `Cannot find channel "${channel}" of package "${summary.name}"`,
  });
}

/** Registers the routes of packages' channels (dist-tags). */
export function registerChannelRoutes(app: App, services: Services): void {
  const params = z.object({ name: nameParam, channel: z.string().max(200) });
  const path = "/api/v1/packages/{name}/channels/{channel}";
  const responses = {
    200: jsonResponse(channelsBody, "The channels as they are now"),
    ...problems(400, 401, 403, 404, 409, 412, 413, 451),
  };
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/packages/{name}/channels",
      middleware: readers(services),
      tags: TAGS,
      summary: "Channels of a package with the version that each names; latest is always among them",
      request: { params: z.object({ name: nameParam }) },
      responses,
    }),
    async (context): Promise<Response> =>
      answer(services, context, await requirePackage(services, context.req.valid("param").name)),
  );
  app.openapi(
    createRoute({
      method: "put",
      path,
      middleware: [writers(services, "publish"), smallBody],
      tags: TAGS,
      summary: "Let a channel name a published version",
      security: SECURED,
      request: { params, body: { required: true, content: { "application/json": { schema: setBody } } } },
      responses,
    }),
    async (context): Promise<Response> => {
      const wanted = await authorized(services, context);
      const { version } = await requireVersion(
        services,
        wanted.summary,
        setBody.parse(context.req.valid("json")).version,
      );
      return change(services, context, { ...wanted, version });
    },
  );
  app.openapi(
    createRoute({
      method: "delete",
      path,
      middleware: writers(services, "publish"),
      tags: TAGS,
      summary: "Remove a channel; its version stays",
      security: SECURED,
      request: { params },
      responses,
    }),
    async (context): Promise<Response> => {
      const wanted = await authorized(services, context);
      refuseRemoval(wanted.summary, wanted.channel);
      return change(services, context, wanted);
    },
  );
}
