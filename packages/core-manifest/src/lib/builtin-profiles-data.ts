// Generated from profiles/*.toml by scripts/generate-profiles.ts; do not edit.
import type { EcosystemProfile } from "./profile.ts";

/** Each profile as a function, so that starting a program builds only its own. */
export const BUILTIN_PROFILE_DATA: Readonly<
  Record<"attune" | "gal" | "lading" | "revitpy" | "vitte", () => EcosystemProfile>
> = {
  attune: () => ({
    schema: 1,
    id: "attune",
    title: "Attune packs",
    bins: [
      {
        name: "attune",
        inherit: false,
        commands: [
          {
            spelling: "pack install",
            command: "install",
            summary: "Install packs from the registry, Git, an archive or a directory",
          },
          {
            spelling: "pack new",
            command: "new",
          },
          {
            spelling: "pack init",
            command: "init",
          },
          {
            spelling: "pack add",
            command: "add",
          },
          {
            spelling: "pack remove",
            command: "remove",
          },
          {
            spelling: "pack update",
            command: "update",
          },
          {
            spelling: "pack upgrade",
            command: "upgrade",
          },
          {
            spelling: "pack lock",
            command: "lock",
          },
          {
            spelling: "pack migrate",
            command: "migrate",
          },
          {
            spelling: "ci init",
            command: "ci init",
          },
          {
            spelling: "pack vendor",
            command: "vendor",
          },
          {
            spelling: "pack link",
            command: "link",
          },
          {
            spelling: "pack unlink",
            command: "unlink",
          },
          {
            spelling: "run",
            command: "run",
          },
          {
            spelling: "exec",
            command: "exec",
          },
          {
            spelling: "tool install",
            command: "tool install",
          },
          {
            spelling: "tool list",
            command: "tool list",
          },
          {
            spelling: "tool uninstall",
            command: "tool uninstall",
          },
          {
            spelling: "pack tree",
            command: "tree",
          },
          {
            spelling: "pack why",
            command: "why",
          },
          {
            spelling: "pack outdated",
            command: "outdated",
          },
          {
            spelling: "pack history",
            command: "history",
          },
          {
            spelling: "pack rollback",
            command: "rollback",
          },
          {
            spelling: "pack check",
            command: "check",
          },
          {
            spelling: "pack test",
            command: "test",
            summary: "Run the tests that a pack declares",
          },
          {
            spelling: "pack build",
            command: "pack",
            summary: "Build a pack's archive",
          },
          {
            spelling: "pack sign",
            command: "sign",
          },
          {
            spelling: "pack verify",
            command: "verify",
          },
          {
            spelling: "pack keygen",
            command: "keygen",
          },
          {
            spelling: "pack publish",
            command: "publish",
          },
          {
            spelling: "pack yank",
            command: "yank",
          },
          {
            spelling: "pack unyank",
            command: "unyank",
          },
          {
            spelling: "pack deprecate",
            command: "deprecate",
          },
          {
            spelling: "pack search",
            command: "search",
          },
          {
            spelling: "pack info",
            command: "info",
          },
          {
            spelling: "pack fetch",
            command: "fetch",
          },
          {
            spelling: "pack owner",
            command: "owner",
          },
          {
            spelling: "pack channel list",
            command: "channel list",
          },
          {
            spelling: "pack channel add",
            command: "channel add",
          },
          {
            spelling: "pack channel remove",
            command: "channel remove",
          },
          {
            spelling: "pack checksum",
            command: "checksum",
          },
          {
            spelling: "pack index-init",
            command: "index-init",
          },
          {
            spelling: "pack index-entry",
            command: "index-entry",
          },
          {
            spelling: "pack index-update",
            command: "index-update",
          },
          {
            spelling: "pack index-merge",
            command: "index-merge",
          },
          {
            spelling: "pack index-validate",
            command: "index-validate",
          },
          {
            spelling: "login",
            command: "login",
          },
          {
            spelling: "logout",
            command: "logout",
          },
          {
            spelling: "whoami",
            command: "whoami",
          },
          {
            spelling: "registry add",
            command: "registry add",
          },
          {
            spelling: "registry list",
            command: "registry list",
          },
          {
            spelling: "registry remove",
            command: "registry remove",
          },
          {
            spelling: "config get",
            command: "config get",
          },
          {
            spelling: "config set",
            command: "config set",
          },
          {
            spelling: "config list",
            command: "config list",
          },
          {
            spelling: "env create",
            command: "env create",
          },
          {
            spelling: "env list",
            command: "env list",
          },
          {
            spelling: "env info",
            command: "env info",
          },
          {
            spelling: "env clone",
            command: "env clone",
          },
          {
            spelling: "env delete",
            command: "env delete",
          },
          {
            spelling: "env activate",
            command: "env activate",
          },
          {
            spelling: "clean",
            command: "clean",
          },
          {
            spelling: "explain",
            command: "explain",
          },
          {
            spelling: "completion",
            command: "completion",
          },
        ],
      },
    ],
    environmentPrefix: "ATTUNE",
    tokenVariables: ["ATTUNE_TOKEN"],
    debugVariables: ["ATTUNE_LOG", "RUST_LOG"],
    manifest: {
      files: [
        {
          name: "pack.yaml",
          dialect: "pack.yaml",
        },
        {
          name: "pack.yml",
          dialect: "pack.yaml",
        },
      ],
      requirements: "exact",
    },
    lockfile: "pack.lock",
    package: {
      binary: {
        extension: ".tar.gz",
        codec: "gzip",
      },
      source: {
        extension: ".tar.gz",
        codec: "gzip",
      },
      defaultKind: "source",
      outputDirectory: "dist",
    },
    hosts: [],
    install: {
      layout: "copied",
      directory: "packs",
      coexistence: "single",
      tests: "direct",
    },
    registry: {
      port: 8080,
    },
    config: {
      directory: "attune",
      file: "config.toml",
      registriesFile: "registries.toml",
      keyAliases: {},
    },
    keyDirectory: "~/.config/attune/keys",
    directoryChecksum: "attune-pack",
    ignore: ["dist/", "packs"],
  }),
  gal: () => ({
    schema: 1,
    id: "gal",
    title: "GAL packages",
    bins: [
      {
        name: "gal-pkg",
        inherit: true,
        commands: [],
      },
    ],
    environmentPrefix: "GAL",
    tokenVariables: ["GAL_REGISTRY_TOKEN", "GAL_TOKEN"],
    debugVariables: ["GAL_LOG", "RUST_LOG"],
    manifest: {
      files: [
        {
          name: "gal.toml",
          dialect: "gal.toml",
        },
      ],
      requirements: "caret",
    },
    lockfile: "gal.lock",
    package: {
      binary: {
        extension: ".galpkg",
        codec: "zstd",
      },
      source: {
        extension: ".galmod",
        codec: "zstd",
      },
      defaultKind: "binary",
      outputDirectory: "target",
    },
    hosts: [
      {
        axis: "gal",
        manifestKeys: ["package.gal-version"],
        flag: "--gal-version",
        versions: [],
        detect: ["galc", "--version"],
      },
    ],
    install: {
      layout: "linked",
      directory: "gal_packages",
      coexistence: "per-major",
      tests: "never",
    },
    registry: {
      defaultUrl: "https://registry.gal-lang.org",
      port: 8080,
    },
    config: {
      directory: "gal",
      file: "config.toml",
      registriesFile: "registries.toml",
      keyAliases: {
        "default-registry": "registry.default",
        default_registry: "registry.default",
        "auth.token": "registry.token",
      },
    },
    keyDirectory: "~/.config/gal/keys",
    directoryChecksum: "tree",
    ignore: ["target/", "gal_packages"],
  }),
  lading: () => ({
    schema: 1,
    id: "lading",
    title: "Lading, a package manager for any ecosystem",
    bins: [
      {
        name: "lading",
        inherit: true,
        commands: [],
      },
    ],
    environmentPrefix: "LADING",
    tokenVariables: ["LADING_TOKEN"],
    debugVariables: ["LADING_LOG"],
    manifest: {
      files: [
        {
          name: "lading.toml",
          dialect: "lading.toml",
        },
      ],
      requirements: "caret",
    },
    lockfile: "lading.lock",
    package: {
      binary: {
        extension: ".lpk",
        codec: "zstd",
      },
      source: {
        extension: ".lmod",
        codec: "zstd",
      },
      defaultKind: "binary",
      outputDirectory: "target/package",
    },
    hosts: [],
    install: {
      layout: "linked",
      directory: "lading_packages",
      coexistence: "per-major",
      tests: "never",
    },
    registry: {
      port: 8080,
    },
    config: {
      directory: "lading",
      file: "config.toml",
      registriesFile: "registries.toml",
      keyAliases: {},
    },
    keyDirectory: "~/.config/lading/keys",
    directoryChecksum: "tree",
    ignore: ["target/", "lading_packages"],
  }),
  revitpy: () => ({
    schema: 1,
    id: "revitpy",
    title: "RevitPy packages",
    bins: [
      {
        name: "revitpy-install",
        summary: "Install RevitPy packages",
        inherit: true,
        commands: [
          {
            spelling: "install",
            command: "install",
            flags: {
              "index-url": "registry",
            },
          },
          {
            spelling: "uninstall",
            command: "remove",
          },
          {
            spelling: "create-env",
            command: "env create",
            summary: "Make an isolated environment for a Revit version",
          },
        ],
      },
      {
        name: "revitpy-build",
        summary: "Build, sign and publish RevitPy packages",
        inherit: false,
        commands: [
          {
            spelling: "package",
            command: "pack",
            summary: "Build a package file",
          },
          {
            spelling: "publish",
            command: "publish",
          },
          {
            spelling: "generate-key",
            command: "keygen",
            summary: "Make a signing key",
          },
          {
            spelling: "sign",
            command: "sign",
          },
          {
            spelling: "verify",
            command: "verify",
          },
          {
            spelling: "check",
            command: "check",
          },
          {
            spelling: "yank",
            command: "yank",
          },
          {
            spelling: "unyank",
            command: "unyank",
          },
          {
            spelling: "deprecate",
            command: "deprecate",
          },
          {
            spelling: "login",
            command: "login",
          },
          {
            spelling: "logout",
            command: "logout",
          },
          {
            spelling: "whoami",
            command: "whoami",
          },
          {
            spelling: "explain",
            command: "explain",
          },
        ],
      },
    ],
    environmentPrefix: "REVITPY",
    tokenVariables: ["REVITPY_TOKEN"],
    debugVariables: ["REVITPY_LOG"],
    manifest: {
      files: [
        {
          name: "revitpy.toml",
          dialect: "revitpy.toml",
        },
        {
          name: "pyproject.toml",
          dialect: "pyproject.toml",
        },
      ],
      requirements: "pep440",
    },
    lockfile: "revitpy.lock",
    package: {
      binary: {
        extension: ".tar.gz",
        codec: "gzip",
      },
      source: {
        extension: ".tar.gz",
        codec: "gzip",
      },
      defaultKind: "source",
      outputDirectory: "dist",
    },
    hosts: [
      {
        axis: "revit",
        manifestKeys: ["package.revit_compatibility", "tool.revitpy.supported_revit_versions"],
        flag: "--revit-version",
        versions: ["2021", "2022", "2023", "2024", "2025", "2026"],
      },
      {
        axis: "python",
        manifestKeys: ["project.requires-python"],
        flag: "--python-version",
        versions: [],
        detect: ["python3", "--version"],
      },
    ],
    install: {
      layout: "linked",
      directory: "revitpy_packages",
      coexistence: "single",
      tests: "never",
    },
    registry: {
      defaultUrl: "https://registry.revitpy.dev",
      port: 8000,
    },
    config: {
      directory: "~/.revitpy",
      file: "config.toml",
      registriesFile: "registries.toml",
      keyAliases: {
        "auth.token": "registry.token",
      },
    },
    keyDirectory: "~/.revitpy/keys",
    directoryChecksum: "tree",
    ignore: ["dist/", "build/", "__pycache__/", "*.egg-info/", "revitpy_packages"],
  }),
  vitte: () => ({
    schema: 1,
    id: "vitte",
    title: "Vitte packages",
    bins: [
      {
        name: "vitte",
        inherit: true,
        commands: [
          {
            spelling: "packager build",
            command: "pack",
            flags: {
              out: "output",
            },
            summary: "Build a package file",
          },
          {
            spelling: "packager sign",
            command: "sign",
          },
          {
            spelling: "packager verify",
            command: "verify",
          },
          {
            spelling: "packager publish",
            command: "publish",
          },
          {
            spelling: "package publish",
            command: "publish",
          },
          {
            spelling: "registry publish",
            command: "publish",
          },
          {
            spelling: "registry search",
            command: "search",
          },
          {
            spelling: "registry fetch",
            command: "fetch",
          },
          {
            spelling: "registry list",
            command: "search",
            summary: "List the packages of the registry",
          },
        ],
      },
    ],
    environmentPrefix: "VITTE",
    tokenVariables: ["VITTE_TOKEN"],
    debugVariables: ["VITTE_LOG", "RUST_LOG"],
    manifest: {
      files: [
        {
          name: "vitte.toml",
          dialect: "vitte.toml",
        },
      ],
      requirements: "caret",
    },
    lockfile: "vitte.lock",
    package: {
      binary: {
        extension: ".vitpkg",
        codec: "zstd",
      },
      source: {
        extension: ".vitmod",
        codec: "zstd",
      },
      defaultKind: "binary",
      outputDirectory: "target",
    },
    hosts: [],
    install: {
      layout: "linked",
      directory: "vitte_packages",
      coexistence: "per-major",
      tests: "never",
    },
    registry: {
      defaultUrl: "https://registry.vitte.dev",
      port: 8080,
    },
    config: {
      directory: "vitte",
      file: "config.toml",
      registriesFile: "registries.toml",
      keyAliases: {},
    },
    keyDirectory: "~/.vitte/keys",
    directoryChecksum: "tree",
    ignore: ["target/", "vitte_packages"],
  }),
};
