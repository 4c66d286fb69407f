import {
  archiveIndexLines,
  buildLines,
  changedLines,
  indexLines,
  installLines,
  maintenanceLines,
  publishLines,
  scanLines,
  tagLines,
  testLines,
} from "./shell.ts";
import { indented, lines, type CiWords } from "./words.ts";
import type { CiFile } from "./files.ts";

// Actions are pinned by commit: a tag of somebody else's can be moved.
const CHECKOUT = "actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2";
const NODE = "actions/setup-node@39370e3970a6d050c480ffad4ff0ed4d3fdee5af # v4.1.0";

const ALL = [
  "publish",
  "pack",
  "check",
  "checksum",
  "test",
  "install",
  "index-update",
  "index-merge",
  "index-validate",
];

/** Workflows of GitHub Actions: build, publish on a tag, several packages in one repository, upkeep of an index. */
export function githubFiles(words: CiWords): CiFile[] {
  const files: CiFile[] = [
    {
      path: ".github/workflows/build.yml",
      purpose: "build and test every change, publish on a release",
      text: build(words),
    },
    { path: ".github/workflows/publish.yml", purpose: "publish when a version is tagged", text: onTag(words) },
    {
      path: ".github/workflows/packages.yml",
      purpose: "publish what changed of several packages",
      text: several(words),
    },
  ];
  if (words.command("index-merge") === undefined) return files;
  return [
    ...files,
    { path: ".github/workflows/registry.yml", purpose: "merge and check a registry's indexes", text: upkeep(words) },
  ];
}

interface Step {
  readonly name: string;
  readonly run: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly id?: string;
  readonly condition?: string;
  readonly directory?: string;
}

function step({ name, run, env = {}, id, condition, directory }: Step): string {
  const variables = Object.entries(env);
  return lines(
    `      - name: ${name}`,
    id && `        id: ${id}`,
    condition && `        if: ${condition}`,
    directory && `        working-directory: ${directory}`,
    variables.length === 0 ? undefined : "        env:",
    variables.map(([key, value]) => `          ${key}: ${value}`),
    "        run: |",
    indented(run, 10),
  ).join("\n");
}

const uses = (action: string, options: Readonly<Record<string, string | number>> = {}): string =>
  lines(
    `      - uses: ${action}`,
    Object.keys(options).length === 0 ? undefined : "        with:",
    Object.entries(options).map(([key, value]) => `          ${key}: ${value}`),
  ).join("\n");

const setup = (words: CiWords, ids: readonly string[] = ALL): string[] => [
  uses(NODE, { "node-version": 22 }),
  step({
    name: "Install the command line",
    run: installLines(words, ids, 'echo "$HOME/.local/bin" >> "$GITHUB_PATH"'),
    env: { [`${words.prefix}_CLI_URL`]: `\${{ vars.${words.prefix}_CLI_URL }}` },
  }),
];

const GIT_ENV = { GIT_USER: "${{ github.actor }}", GIT_EMAIL: "${{ github.actor }}@users.noreply.github.com" };

const CLONE = "https://x-access-token:$TOKEN@github.com/$REGISTRY_REPOSITORY.git";
const INDEX_ENV = {
  TOKEN: "${{ secrets.TOKEN }}",
  REGISTRY_REPOSITORY: "${{ vars.REGISTRY_REPOSITORY }}",
  PACKAGE_URL: "https://github.com/${{ github.repository }}",
  ...GIT_ENV,
};

function publishStep(words: CiWords, more: Pick<Step, "condition" | "directory"> = {}): string {
  if (!words.index) {
    return step({
      name: "Publish",
      run: publishLines(words),
      env: { [words.token]: `\${{ secrets.${words.token} }}`, SIGNING_KEY: "${{ secrets.SIGNING_KEY }}" },
      ...more,
    });
  }
  return step({
    name: "Update the registry's index",
    run: indexLines(words, CLONE),
    env: { ...INDEX_ENV, PACKAGE_REF: "${{ github.ref_name }}" },
    ...more,
  });
}

/** A package of several is listed by its file, which a release of its own holds. */
function archiveStep(words: CiWords, directory: string): string {
  const upload = [
    'gh release create "$name-v$version" --title "$name $version" --generate-notes "$archive"',
    'url="https://github.com/$GITHUB_REPOSITORY/releases/download/$name-v$version/$(basename "$archive")"',
  ];
  return step({
    name: "Release, and update the registry's index",
    run: archiveIndexLines(words, CLONE, upload),
    env: { GH_TOKEN: "${{ github.token }}", ...INDEX_ENV },
    directory,
  });
}

const head = (title: string, about: string): string => `# ${about}\nname: ${title}`;

const job = (name: string, steps: readonly string[], before: readonly string[] = []): string =>
  [`  ${name}:`, ...before, "    runs-on: ubuntu-latest", "    steps:", ...steps].join("\n");

const document = (...parts: readonly string[]): string => `${parts.join("\n\n")}\n`;

function build(words: CiWords): string {
  const { install } = { install: words.command("install") };
  const steps = [
    uses(CHECKOUT),
    ...setup(words),
    ...(install === undefined
      ? []
      : [step({ name: "Install dependencies", run: [`test ! -f ${words.profile.lockfile} || ${install} --locked`] })]),
    indented(scanLines(words), 6),
    "      # - name: Build\n      #   run: your compiler here",
    step({ name: "Test", run: testLines(words) }),
    step({ name: "Check and pack", run: buildLines(words), env: { CHECKSUMS: "${{ runner.temp }}/checksum.json" } }),
    publishStep(words, { condition: "github.event_name == 'release'" }),
  ];
  return document(
    head("Build and test", "Builds and tests every change; publishes when a release is made."),
    "on:\n  push:\n  pull_request:\n  release:\n    types: [published]",
    "permissions:\n  contents: read",
    `jobs:\n${job("test", steps)}`,
  );
}

function onTag(words: CiWords): string {
  const steps = [
    uses(CHECKOUT),
    ...setup(words),
    step({ name: "Compare tag and version", run: tagLines(words, "$GITHUB_REF_NAME") }),
    indented(scanLines(words), 6),
    step({ name: "Run package tests", run: testLines(words) }),
    step({
      name: "Pack, and generate checksum",
      run: buildLines(words),
      env: { CHECKSUMS: "${{ runner.temp }}/checksum.json" },
    }),
    step({
      name: "Create GitHub Release",
      run: [
        `set -- ${words.outputDirectory}/*${words.profile.package[words.profile.package.defaultKind].extension}`,
        'gh release create "$GITHUB_REF_NAME" --verify-tag --generate-notes "$@" "$CHECKSUMS"',
      ],
      env: { GH_TOKEN: "${{ github.token }}", CHECKSUMS: "${{ runner.temp }}/checksum.json" },
    }),
    publishStep(words),
  ];
  return document(
    head("Publish", "Publishes a version when its tag is pushed: v1.2.3 for version 1.2.3."),
    "on:\n  push:\n    tags: ['v*.*.*']",
    "permissions:\n  contents: write",
    `jobs:\n${job("publish", steps)}`,
  );
}

function several(words: CiWords): string {
  const find = step({
    name: "Find changed packages",
    id: "find",
    run: [
      "changed() {",
      ...changedLines(words, "$BEFORE").map((line) => `  ${line}`),
      "}",
      'echo "packages=$(changed | jq -Rnc \'[inputs]\')" >> "$GITHUB_OUTPUT"',
    ],
    env: { BEFORE: "${{ github.event.before }}" },
  });
  const directory = "${{ matrix.package }}";
  const publish = [
    uses(CHECKOUT),
    ...setup(words),
    step({ name: "Run package tests", run: testLines(words), directory }),
    step({ name: "Pack", run: buildLines(words), directory, env: { CHECKSUMS: "${{ runner.temp }}/checksum.json" } }),
    words.index ? archiveStep(words, directory) : publishStep(words, { directory }),
  ];
  const matrix = [
    "    needs: changed",
    "    if: needs.changed.outputs.packages != '[]'",
    "    strategy:",
    "      # One after another: packages of one repository may need each other.",
    "      max-parallel: 1",
    "      matrix:",
    "        package: ${{ fromJSON(needs.changed.outputs.packages) }}",
  ];
  const changed = job(
    "changed",
    [uses(CHECKOUT, { "fetch-depth": 0 }), find],
    ["    outputs:", "      packages: ${{ steps.find.outputs.packages }}"],
  );
  return document(
    head("Packages", "Publishes the packages of this repository that changed. Raise their versions with the change."),
    "on:\n  push:\n    branches: [main]",
    words.index ? "permissions:\n  contents: write" : "permissions:\n  contents: read",
    `jobs:\n${changed}\n\n${job("publish", publish, matrix)}`,
  );
}

function upkeep(words: CiWords): string {
  const steps = [
    uses(CHECKOUT),
    ...setup(words, ["index-merge", "index-validate"]),
    step({ name: "Merge and validate the indexes", run: maintenanceLines(words), env: GIT_ENV }),
  ];
  return document(
    head("Registry", "For the repository of a static registry: merges sources/*.json into index.json and checks it."),
    "on:\n  schedule:\n    - cron: '17 4 * * *'\n  push:\n    paths: ['sources/**']\n  workflow_dispatch:",
    "permissions:\n  contents: write",
    `jobs:\n${job("maintain", steps)}`,
  );
}
