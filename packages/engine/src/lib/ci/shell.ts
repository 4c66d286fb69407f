import { lines, programsOf, type CiWords } from "./words.ts";

// The steps of every template as lines of POSIX shell, so that all services do the same, and tests run them. Values from
// outside come in by variables: text that a service pastes into a script would run what a tag's name says.

/** Downloads the programs as single files and puts them on the path. */
export function installLines(words: CiWords, ids: readonly string[], onPath: string): string[] {
  const programs = programsOf(words, ids);
  return [
    'mkdir -p "$HOME/.local/bin"',
    ...programs.flatMap((program) => [
      `curl -fsSL "$${words.prefix}_CLI_URL/${program}" -o "$HOME/.local/bin/${program}"`,
      `chmod +x "$HOME/.local/bin/${program}"`,
    ]),
    onPath,
  ];
}

/** Sets a variable to the value of a key of the manifest, which may be quoted as YAML and TOML allow. */
export const fieldLine = (variable: string, keys: string, manifest: string): string =>
  `${variable}=$(sed -nE 's/^(${keys}) *[:=] *"?([^" ]*).*/\\2/p' ${manifest} | tr -d "'\\r" | head -n 1)`;

/** Fails where the tag `v1.2.3` and the manifest's version differ. */
export function tagLines({ manifest }: CiWords, tag: string): string[] {
  return [
    fieldLine("version", "version", manifest),
    `if [ "v$version" != "${tag}" ]; then`,
    `  echo "The tag is ${tag}, the version in ${manifest} is $version" >&2`,
    "  exit 1",
    "fi",
  ];
}

/** Tests, and the package file with its checksum. */
export const testLines = (words: CiWords): string[] => lines(withArguments(words, "test", ". --detailed --if-present"));

/** The scan is a later step of its own: it stays a comment until the ecosystem's programs offer it. */
export const scanLines = (words: CiWords): string[] => [
  `# Scan gate, where your ${words.bin} has the command:`,
  `# ${words.bin} scan --fail-on high`,
];

/**
 * The checksum first: it is of the directory as it is in version control, without what packing leaves there, nor the file
 * that the checksum is written to.
 */
export function buildLines(words: CiWords): string[] {
  const sum = withArguments(words, "checksum", '. --json > "$sums"');
  return lines(
    withArguments(words, "check"),
    sum && ["sums=$(mktemp)", sum],
    withArguments(words, "pack"),
    sum && ['mkdir -p "$(dirname "$CHECKSUMS")"', 'mv "$sums" "$CHECKSUMS"'],
  );
}

/** Sends this package to the registry; the token comes by its variable. */
export const publishLines = (words: CiWords): string[] =>
  lines(
    `key=""`,
    `if [ -n "\${SIGNING_KEY:-}" ]; then`,
    `  key=$(mktemp) && printf '%s\\n' "$SIGNING_KEY" > "$key"`,
    "fi",
    `${words.command("publish")!} \${key:+--key "$key"}`,
    `if [ -n "$key" ]; then rm -f "$key"; fi`,
  );

/**
 * Lists this version in the index of a repository: where it is in Git, of the files that are in version control. Whoever
 * else pushes meanwhile is no reason to fail.
 */
export function indexLines(words: CiWords, clone: string): string[] {
  return [
    "source=$(mktemp -d)",
    'git ls-files -z | tar --null -T - -cf - | tar -xf - -C "$source"',
    ...updateLines(words, clone, '"$source" --git-url "$PACKAGE_URL" --git-ref "$PACKAGE_REF"'),
  ];
}

/**
 * The same for one package of several in a repository, which Git alone does not lead to: its file is uploaded first.
 * @param upload lines that upload "$archive" and set "$url" to where it is
 */
export function archiveIndexLines(words: CiWords, clone: string, upload: readonly string[]): string[] {
  const { manifest, profile, outputDirectory } = words;
  const extension = profile.package[profile.package.defaultKind].extension;
  return [
    fieldLine("name", "ref|name", manifest),
    fieldLine("version", "version", manifest),
    'PACKAGE_REF="$name $version"',
    `archive=$(ls ${outputDirectory}/*-"$version"${extension})`,
    ...upload,
    `sum=$(${words.command("checksum")!} "$archive" | cut -d ' ' -f 1)`,
    ...updateLines(words, clone, '. --archive-url "$url" --archive-checksum "$sum"'),
  ];
}

/** A token never stands in the configuration of the package's own checkout. */
function updateLines(words: CiWords, clone: string, update: string): string[] {
  return [
    "for attempt in 1 2 3 4 5; do",
    "  checkout=$(mktemp -d)/index",
    `  git clone --quiet --depth 1 "${clone}" "$checkout"`,
    `  ${words.command("index-update")!} --index "$checkout/index.json" ${update} --update`,
    `  ${words.command("index-validate")!} "$checkout/index.json"`,
    '  git -C "$checkout" add index.json',
    '  if git -C "$checkout" diff --cached --quiet; then exit 0; fi',
    '  git -C "$checkout" -c user.name="$GIT_USER" -c user.email="$GIT_EMAIL" commit --quiet -m "Publish $PACKAGE_REF of $PACKAGE_URL"',
    '  if git -C "$checkout" push --quiet; then exit 0; fi',
    "done",
    'echo "The index was changed by others five times in a row" >&2',
    "exit 1",
  ];
}

/** Prints the directories of packages that differ from a commit, one a line; of all where there is none. */
export function changedLines({ manifest }: CiWords, before: string): string[] {
  return [
    "# Of a first push there is no earlier commit: the empty tree stands for it.",
    `base=$(git rev-parse --verify --quiet "${before}^{commit}" || git hash-object -t tree /dev/null)`,
    `git ls-files '${manifest}' '*/${manifest}' | while read -r manifest; do`,
    '  directory=$(dirname "$manifest")',
    '  git diff --quiet "$base" HEAD -- "$directory" || echo "$directory"',
    "done",
  ];
}

/**
 * Merges the indexes of a registry's repository into one and checks it.
 * @param push lines that push what was committed
 */
export const maintenanceLines = (words: CiWords, push: readonly string[] = ["git push --quiet"]): string[] => [
  `${words.command("index-merge")!} --output index.json --force sources/*.json`,
  `${words.command("index-validate")!} index.json`,
  "git add index.json",
  'if [ -z "$(git diff --cached -I \'"last_updated"\')" ]; then exit 0; fi',
  'git -c user.name="$GIT_USER" -c user.email="$GIT_EMAIL" commit --quiet -m "Merge the indexes"',
  ...push,
];

function withArguments(words: CiWords, id: string, rest = ""): string | undefined {
  const line = words.command(id);
  return line === undefined ? undefined : `${line}${rest === "" ? "" : ` ${rest}`}`;
}
