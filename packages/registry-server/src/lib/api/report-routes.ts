import { z } from "@hono/zod-openapi";
import { ORGANISATION_NAME_MAX_LENGTH } from "../organisations/organisation.ts";
import { RegistryError } from "../registry-error.ts";
import { licenseCsv, licenseReport } from "../reports/license-report.ts";
import { dayOf } from "../reports/report-store.ts";
import { usageCsv, usageReport, type Period, type UsageReport, type UsageRequest } from "../reports/usage-report.ts";
import { administrators, organisers, principalOf, writers } from "./access.ts";
import type { App, RouteContext, Services } from "./context.ts";
import { requireOrganisation, requireOwner, requirePackage, requireRole } from "./guards.ts";
import { register, type Route } from "./route-table.ts";
import { nameParam } from "./schemas.ts";

const TAGS = ["reports"];
const DEFAULT_DAYS = 30;
/** Longest period of a report. */
export const REPORT_MAX_DAYS = 731;

const format = z.enum(["json", "csv"]).default("json");
const day = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}$/, "allowed is a day as 2030-01-31")
  .refine((text) => !Number.isNaN(Date.parse(text)), "there is no such day")
  .optional();
const usageQuery = { since: day, until: day, format };

const packageReport = z.object({
  package: z.string(),
  teams: z.array(z.string()),
  downloads: z.number(),
  downloads_by_day: z.array(z.object({ day: z.string(), downloads: z.number() })),
  publishers: z.array(z.object({ username: z.string(), versions: z.number() })),
  versions: z.number(),
  bytes: z.number(),
  active_tokens: z.number(),
});
const teamReport = z.object({
  team: z.string(),
  members: z.number(),
  packages: z.number(),
  downloads: z.number(),
  published: z.number(),
  publishers: z.array(z.string()),
  bytes: z.number(),
  active_tokens: z.number(),
});
const usageView = z
  .object({ since: z.string(), until: z.string(), packages: z.array(packageReport), teams: z.array(teamReport) })
  .openapi("UsageReport");
const licenseView = z
  .object({
    items: z.array(
      z.object({
        license: z.string(),
        month: z.string(),
        published: z.number(),
        versions: z.number(),
        packages: z.number(),
      }),
    ),
  })
  .openapi("LicenseReport");

function param(context: RouteContext, name: string): string {
  return context.req.param(name as never);
}

/** @throws {RegistryError} `REQUEST_INVALID` */
function periodOf(services: Services, context: RouteContext): Period {
  const { since, until } = z.object(usageQuery).parse(context.req.query());
  const last = until === undefined ? dayOf(services.clock.now()) : dayOf(Date.parse(until));
  const first = since === undefined ? last - DEFAULT_DAYS + 1 : dayOf(Date.parse(since));
  if (first <= last && last - first < REPORT_MAX_DAYS) return { first, last };
  throw new RegistryError({
    code: "REQUEST_INVALID",
    message: `Cannot report from "${since ?? ""}" to "${until ?? ""}": allowed are 1 to ${REPORT_MAX_DAYS} days`,
    errors: [{ field: "query.since", message: `allowed are 1 to ${REPORT_MAX_DAYS} days` }],
  });
}

function sendCsv(context: RouteContext, text: string, name: string): Response {
  context.header("content-type", "text/csv; charset=utf-8; header=present");
  context.header("content-disposition", `attachment; filename="${name}.csv"`);
  return context.body(text);
}

async function usage(
  services: Services,
  context: RouteContext,
  request: Pick<UsageRequest, "packages" | "organisationId">,
): Promise<Response> {
  const period = periodOf(services, context);
  const report: UsageReport = await usageReport(services.metadata, { ...request, period, now: services.clock.now() });
  const wanted = context.req.query("format");
  return wanted === "csv" ? sendCsv(context, usageCsv(report), "usage") : context.json(report);
}

async function ofPackage(services: Services, context: RouteContext): Promise<Response> {
  const summary = await requirePackage(services, param(context, "name"));
  await requireOwner(services, principalOf(context), summary, "owner");
  return usage(services, context, { packages: [{ package: summary.canonical, teams: [] }] });
}

async function ofOrganisation(services: Services, context: RouteContext): Promise<Response> {
  const organisation = await requireOrganisation(services, param(context, "organisation"));
  await requireRole(services, principalOf(context), organisation, "maintainer");
  const packages = await services.metadata.reports.packagesOf(organisation.id);
  return usage(services, context, { packages, organisationId: organisation.id });
}

async function ofRegistry(services: Services, context: RouteContext): Promise<Response> {
  const names = await services.metadata.packageNames();
  return usage(services, context, { packages: names.map((name) => ({ package: name, teams: [] })) });
}

async function licensesInUse(services: Services, context: RouteContext): Promise<Response> {
  const items = await licenseReport(services.metadata.reports);
  return context.req.query("format") === "csv"
    ? sendCsv(context, licenseCsv(items), "licenses")
    : context.json({ items });
}

/** Registers the routes of reports: how packages are used, and under which licences they are. */
export function registerReportRoutes(app: App, services: Services): void {
  const admins = administrators(services);
  const routes: readonly Route[] = [
    {
      method: "get",
      path: "/packages/{name}/usage",
      guard: writers(services, "owner"),
      summary: "How a package is used: downloads by day, publishers, bytes, active tokens; for its owners",
      params: { name: nameParam },
      query: usageQuery,
      answer: usageView,
      failures: [400, 403, 404],
      handle: async (context) => ofPackage(services, context),
    },
    {
      method: "get",
      path: "/organisations/{organisation}/usage",
      guard: organisers(services),
      summary: "How the packages of an organisation and its teams are used; for its maintainers",
      params: { organisation: z.string().max(ORGANISATION_NAME_MAX_LENGTH) },
      query: usageQuery,
      answer: usageView,
      failures: [400, 403, 404],
      handle: async (context) => ofOrganisation(services, context),
    },
    {
      method: "get",
      path: "/reports/usage",
      guard: admins,
      summary: "How every package is used",
      query: usageQuery,
      answer: usageView,
      failures: [400, 403],
      handle: async (context) => ofRegistry(services, context),
    },
    {
      method: "get",
      path: "/reports/licenses",
      guard: admins,
      summary: "Licences in use, month by month",
      query: { format },
      answer: licenseView,
      failures: [400, 403],
      handle: async (context) => licensesInUse(services, context),
    },
  ];
  for (const route of routes) register(app, TAGS, route);
}
