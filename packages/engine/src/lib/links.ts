import path from "node:path";
import { canonicalName, parsePackageName } from "@lading/core-manifest";
import type { PlannedPackage } from "@lading/installer";
import { EngineError } from "./engine-error.ts";
import { readTextIfExists } from "./files.ts";
import type { Project } from "./project.ts";

/** Linked packages of a project by name, with the absolute directory that stands in for each. */
export type Links = Readonly<Record<string, string>>;

/** File of a project's links: this machine's own, and never under version control. */
export function linksFile(project: Pick<Project, "root">): string {
  return path.join(project.root, ".lading", "links.json");
}

/** @throws {EngineError} `LINK_INVALID` */
export async function readLinks(project: Pick<Project, "root">): Promise<Links> {
  const text = await readTextIfExists(linksFile(project));
  return text === undefined ? {} : parseLinks(text, linksFile(project));
}

function parseLinks(text: string, file: string): Links {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const { format, links } = (value ?? {}) as { format?: unknown; links?: unknown };
  const entries = typeof links === "object" && links !== null ? Object.entries(links) : [];
  if (format === 1 && links !== undefined && entries.every(([, place]) => typeof place === "string"))
    return links as Links;
  throw new EngineError({ code: "LINK_INVALID", message: `Cannot read "${file}": it is no list of links`, file });
}

/** The plan with linked packages taken from their directories, whatever version of them is locked. */
export function withLinks(packages: readonly PlannedPackage[], links: Links): readonly PlannedPackage[] {
  const places = new Map(Object.entries(links).map(([name, place]) => [fold(name), place]));
  if (places.size === 0) return packages;
  return packages.map((planned) => {
    const directory = places.get(fold(planned.name));
    if (directory === undefined) return planned;
    const { tree: _tree, blob: _blob, size: _size, ...rest } = planned;
    return { ...rest, source: { type: "path", url: directory }, directory };
  });
}

const fold = (name: string): string => canonicalName(parsePackageName(name));
