/** What `/graphql` can be asked for, in the schema language of GraphQL. The same read model as the routes below `/api/v1`. */
export const READ_MODEL = `
"A registry's packages, as the routes below /api/v1 show them."
type Query {
  "One package; null where there is none."
  package(name: String!): Package
  "Packages that have all words of \`text\`, best match first; all packages without a text."
  packages(
    text: String = ""
    category: String
    keyword: String
    sort: PackageOrder
    page: Int = 1
    first: Int = 20
  ): PackagePage!
}

enum PackageOrder {
  relevance
  downloads
  updated
  name
}

enum VersionStatus {
  active
  yanked
  deprecated
  held
  "Taken down: its number and digests stay, and its files are sent to nobody."
  removed
}

type PackagePage {
  items: [Package!]!
  page: Int!
  total: Int!
}

type Package {
  name: String!
  "The version that installers take unless told otherwise; null where none is published."
  latest: Version
  title: String
  description: String
  license: String
  keywords: [String!]!
  categories: [String!]!
  downloads: Float!
  "ISO 8601, as all times."
  created: String!
  updated: String!
  "Grows with each change of the package."
  sequence: Int!
  "User names, and teams as team:organisation/team."
  owners: [String!]!
  version(version: String!): Version
  "Newest first."
  versions(first: Int = 20, status: VersionStatus): [Version!]!
  url: String!
}

type Version {
  version: String!
  kind: String!
  status: VersionStatus!
  reason: String
  replacement: String
  published: String!
  publisher: String!
  downloads: Float!
  license: String
  signed: Boolean!
  artifacts: [Artifact!]!
  dependencies: [Dependency!]!
  hosts: [Host!]!
  url: String!
}

type Artifact {
  target: String!
  "sha256: and 64 hexadecimal digits, as all digests."
  blob: String!
  size: Float!
  tree: String!
  signers: [String!]!
  verified: Boolean!
  url: String!
}

type Dependency {
  name: String!
  kind: String!
  requirement: String!
  "The package itself, where this registry has it."
  package: Package
}

type Host {
  axis: String!
  requirement: String!
}
`;
