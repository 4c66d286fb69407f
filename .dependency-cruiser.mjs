// Imports go down only (ARCHITECTURE.md). Each entry names what that package may import; anything else between packages is an error.
const floor12 = ["core-manifest", "archive", "signing", "resolver"];
const allow = {
  "core-manifest": [],
  archive: ["core-manifest"],
  signing: ["core-manifest"],
  resolver: ["core-manifest"],
  "registry-client": floor12,
  installer: [...floor12, "registry-client"],
  "registry-server": floor12,
  "registry-static": [...floor12, "registry-client"],
  engine: [...floor12, "registry-client", "installer", "registry-static"],
  cli: [...floor12, "registry-client", "installer", "registry-static", "engine"],
};
const all = Object.keys(allow);
const layer = (name, permitted) => {
  const forbidden = all.filter((other) => other !== name && !permitted.includes(other));
  return forbidden.length === 0
    ? []
    : [
        {
          name: `packages/${name}: imports go down only`,
          severity: "error",
          from: { path: `^packages/${name}/` },
          to: { path: `^packages/(${forbidden.join("|")})/|^@lading/(${forbidden.join("|")})(/|$)` },
        },
      ];
};

export default {
  forbidden: [
    ...Object.entries(allow).flatMap(([name, permitted]) => layer(name, permitted)),
    { name: "no-circular", severity: "error", from: {}, to: { circular: true } },
    { name: "no-unresolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
    {
      name: "packages-never-import-apps",
      severity: "error",
      from: { path: "^packages/" },
      to: { path: "^(apps|examples)/" },
    },
    {
      name: "no-relative-reach-into-another-package",
      severity: "error",
      from: { path: "^(packages|apps|examples)/([^/]+)/" },
      to: { path: "^(packages|apps|examples)/", pathNot: "^$1/$2/", dependencyTypes: ["local"] },
    },
    {
      name: "the-portable-core-does-no-io",
      comment: "Floors 1 and 2 touch the machine only behind their node entry (src/node.ts and src/lib/node/).",
      severity: "error",
      from: { path: `^packages/(${floor12.join("|")})/src/`, pathNot: "/src/(node\\.ts|lib/node/)|\\.test\\.ts$" },
      to: {
        path: "^(node:)?(fs|fs/promises|http|https|net|tls|process|child_process|worker_threads|os|zlib|crypto|sqlite)$",
        dependencyTypes: ["core"],
      },
    },
    {
      name: "portable-entries-never-reach-node-code",
      severity: "error",
      from: { path: `^packages/(${floor12.join("|")})/src/(index\\.ts|lib/)`, pathNot: "/src/lib/node/|\\.test\\.ts$" },
      to: { path: "/src/lib/node/|/src/node\\.ts$" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(^|/)(dist|coverage|fixtures)/" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      conditionNames: ["@lading/source", "import", "types", "node", "default"],
      exportsFields: ["exports"],
      extensions: [".ts", ".js"],
    },
  },
};
