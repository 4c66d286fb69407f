import type { CommandSpec } from "../spec.ts";
import { ORGANISATION, cell, managed } from "./managed.ts";

const NAMESPACE = { name: "NAMESPACE", summary: "The first part of package names" };

export const claim: CommandSpec = managed({
  summary: "Claim a namespace for an organisation",
  description:
    "The one that has the organisation's name needs no proof. Others are proven by a TXT record of a domain (see namespace challenge), or by an identity token of a build of a repository that belongs to an organisation of that name.",
  examples: ["namespace claim acme acme", "namespace claim acme acme-example --domain acme.example"],
  arguments: [ORGANISATION, NAMESPACE],
  flags: {
    domain: { type: "text", summary: "Domain whose TXT record shows it", placeholder: "DOMAIN" },
    "identity-token": { type: "text", summary: "Identity token of a build, for this registry", placeholder: "TOKEN" },
  },
  request: ([organisation, namespace], flags) => {
    const { domain, "identity-token": token } = flags;
    const proof =
      domain !== undefined
        ? { proof: { kind: "dns", domain } as const }
        : token === undefined
          ? {}
          : { proof: { kind: "ci", token } as const };
    return ["namespace.claim", { organisation: organisation!, namespace: namespace!, ...proof }];
  },
  text: (answer, style, [organisation]) => [
    `Namespace ${style.bold(cell(answer, "name"))} belongs to ${organisation!} (${cell(answer, "proof")})`,
  ],
});

export const challenge: CommandSpec = managed({
  summary: "Show the TXT record that proves a namespace",
  examples: ["namespace challenge acme acme-example acme.example"],
  arguments: [ORGANISATION, NAMESPACE, { name: "DOMAIN", summary: "Domain that stands for the namespace" }],
  flags: {},
  request: ([organisation, namespace, domain]) => [
    "namespace.challenge",
    { organisation: organisation!, namespace: namespace!, domain: domain! },
  ],
  text: (answer) => [`${cell(answer, "name")} TXT "${cell(answer, "value")}"`],
});

export const team: CommandSpec = managed({
  summary: "Let one team alone create packages in a namespace, or every team",
  examples: ["namespace team acme acme core", "namespace team acme acme"],
  arguments: [ORGANISATION, NAMESPACE, { name: "NAME", summary: "The team; every team without it", optional: true }],
  flags: {},
  request: ([organisation, namespace, name]) => [
    "namespace.team",
    { organisation: organisation!, namespace: namespace!, team: name ?? null },
  ],
  text: (answer, style) => [
    `Packages in ${style.bold(cell(answer, "name"))} are created by ${answer["team"] === undefined ? "every team that publishes" : `team ${cell(answer, "team")}`}`,
  ],
});

export const release: CommandSpec = managed({
  summary: "Give a namespace up; its packages keep their owners",
  examples: ["namespace release acme acme-example"],
  arguments: [ORGANISATION, NAMESPACE],
  flags: {},
  request: ([organisation, namespace]) => ["namespace.release", { organisation: organisation!, namespace: namespace! }],
  text: (_, style, [, namespace]) => [`Namespace ${style.bold(namespace!)} is free`],
});
